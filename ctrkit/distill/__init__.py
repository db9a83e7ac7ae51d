"""Distillation: a student learns the logits of a teacher, then goes on alone."""

from ctrkit.distill.agreement import Agreement, agreement
from ctrkit.distill.cache import TeacherLogits, load_logits, teacher_logits
from ctrkit.distill.config import DistillConfig
from ctrkit.distill.experiment import PHASES, DistillOutcome, NewModel, distill_run
from ctrkit.distill.losses import distillation_loss, soft_label_distance
from ctrkit.distill.standing import Standing
from ctrkit.distill.teachers import Teacher
from ctrkit.distill.trainer import DistillationTrainer, DistillResult
from ctrkit.models.distillation import logit_distance

__all__ = [
    "PHASES",
    "Agreement",
    "DistillConfig",
    "DistillOutcome",
    "DistillResult",
    "DistillationTrainer",
    "NewModel",
    "Standing",
    "Teacher",
    "TeacherLogits",
    "agreement",
    "distill_run",
    "distillation_loss",
    "load_logits",
    "logit_distance",
    "soft_label_distance",
    "teacher_logits",
]
