"""KD_DAGFM: a teacher and its student, in the three phases of knowledge distillation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctrkit.embedding import embeddings_of
from ctrkit.models.base import Batch, CTRModel
from ctrkit.models.distillation import CTR_WEIGHT, KD_WEIGHT, student_loss
from ctrkit.models.shared_table import common_tables, take_table
from ctrkit.options import check_choice, check_factor

PHASES = ("teacher_training", "distillation", "finetuning")


class KD_DAGFM(nn.Module):  # noqa: N801 - the name that users of RecBole know
    """KD-DAGFM: a strong teacher, and a student that learns its logits.

    One object is one phase; the next phase is a new object around the same two models::

        teacher_training: loss = BCE(teacher)
        distillation:     loss = ctr_weight BCE(student) + kd_weight mean((teacher - student)^2)
        finetuning:       loss = BCE(student)

    In distillation the student's table is a copy of the teacher's, made here and frozen (of several
    tables, each that the teacher has too); the
    teacher runs in eval mode and without gradients, so an optimizer of ``parameters()`` leaves it
    and the table as they are. In the other phases only one of the two models runs.

    It is no entry of `MODELS`: that table makes one model from plain options, every parameter of
    which trains, and a run keeps it. This is a pair of such models, either kept by itself.

    Source: Tian et al., "Directed Acyclic Graph Factorization Machines for CTR Prediction via
    Knowledge Distillation", WSDM 2023 (arXiv 2211.11159). Weights: the authors' code,
    where they are called alpha (``ctr_weight``) and beta (``kd_weight``).

    Args:
        teacher: any model.
        student: any other model; in distillation, of the same fields and width.
        phase: teacher_training, distillation or finetuning.
        ctr_weight: factor of the student's own loss in distillation.
        kd_weight: factor of the squared distance of the logits in distillation.

    Shape:
        ids: ``(B, S)`` int32 or int64
        returns: logits ``(B,)`` of the teacher in teacher_training, else of the student

    Raises:
        ValueError: if the phase is unknown, a weight is negative, teacher and student are one
            model, or the student cannot take the teacher's table.

    Example:
        >>> from ctrkit.models import DAGFM, CrossNet
        >>> teacher, student = CrossNet([10, 3]), DAGFM([10, 3], interaction="outer")
        >>> pair = KD_DAGFM(teacher, student, phase="distillation")
        >>> loss = pair.calculate_loss(Batch(torch.tensor([[9, 2]]), torch.tensor([1.0])))
        >>> loss.backward()
    """

    def __init__(
        self,
        teacher: CTRModel,
        student: CTRModel,
        *,
        phase: str = "distillation",
        ctr_weight: float = CTR_WEIGHT,
        kd_weight: float = KD_WEIGHT,
    ) -> None:
        super().__init__()
        check_choice("phase", phase, PHASES)
        check_factor(ctr_weight=ctr_weight, kd_weight=kd_weight)
        if teacher is student:
            raise ValueError("teacher and student must be two models, got one object for both")
        if phase == "distillation":
            common_tables(teacher, student)
        self.teacher = teacher
        self.student = student
        self.phase = phase
        self.ctr_weight = ctr_weight
        self.kd_weight = kd_weight
        for embedding in embeddings_of(student).values():
            embedding.requires_grad_(True)
        if phase == "distillation":
            for embedding in take_table(teacher, student):
                embedding.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> KD_DAGFM:
        """Set the mode of the model that learns; a teacher that only teaches stays in eval mode."""
        super().train(mode)
        if self.phase != "teacher_training":
            self.teacher.eval()
        return self

    def forward(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Return logits ``(B,)`` of the model that learns in this phase."""
        logits: Tensor = self._learner(ids, values)
        return logits

    def predict(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Return click probabilities ``(B,)`` of the model that learns in this phase."""
        return self._learner.predict(ids, values)

    def calculate_loss(self, batch: Batch) -> Tensor:
        """Return the phase's mean loss per row."""
        if self.phase != "distillation":
            return self._learner.calculate_loss(batch)
        with torch.no_grad():
            teacher_logits = self.teacher(batch.ids, batch.values)
        return student_loss(
            self.student,
            batch,
            teacher_logits,
            ctr_weight=self.ctr_weight,
            kd_weight=self.kd_weight,
        )

    @property
    def _learner(self) -> CTRModel:
        return self.teacher if self.phase == "teacher_training" else self.student
