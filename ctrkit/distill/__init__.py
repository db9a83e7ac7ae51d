"""Distillation: a student learns the logits of a teacher, then fine-tunes on the clicks."""

from ctrkit.distill.agreement import Agreement, agreement
from ctrkit.distill.comparison import ComparedModel
from ctrkit.distill.config import DistillConfig
from ctrkit.distill.losses import distillation_loss, soft_label_distance
from ctrkit.distill.phases import PHASES, phase_folder
from ctrkit.distill.pipeline import DistillOutcome, distill_run
from ctrkit.distill.teacher_logits import TeacherLogits, load_logits, teacher_logits
from ctrkit.distill.teachers import Teacher
from ctrkit.distill.trainer import DistillationTrainer, DistillResult
from ctrkit.models import logit_distance

__all__ = [
    "PHASES",
    "Agreement",
    "ComparedModel",
    "DistillConfig",
    "DistillOutcome",
    "DistillResult",
    "DistillationTrainer",
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
