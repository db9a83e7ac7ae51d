"""What a student of knowledge distillation minimises, and the weights of its two terms."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from ctrkit.models.base import Batch, CTRModel, to_float32

CTR_WEIGHT = 0.1
"""Factor of the loss on clicks in the authors' code, where it is called alpha."""

KD_WEIGHT = 921.6
"""Factor of the squared distance of the logits in the authors' code, where it is called beta."""

Distance = Callable[[Tensor, Tensor], Tensor]
"""From logits ``(B,)`` of student and teacher to a scalar."""


def logit_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return ``mean((teacher - student)^2)`` of logits ``(B,)``, in squared log odds."""
    return functional.mse_loss(student, teacher)


def student_loss(
    student: CTRModel,
    batch: Batch,
    teacher_logits: Tensor,
    *,
    distance: Distance = logit_distance,
    ctr_weight: float,
    kd_weight: float,
) -> Tensor:
    """Return a student's mean loss per row of a batch, given the teacher's logits ``(B,)``.

    ``ctr_weight BCE(student, labels) + kd_weight distance(student, teacher)``, plus the student's
    own penalty where it has one.
    """
    logits = to_float32(student(batch.ids, batch.values))
    clicks = functional.binary_cross_entropy_with_logits(logits, batch.labels.to(logits))
    loss = ctr_weight * clicks + kd_weight * distance(logits, teacher_logits.to(logits))
    return student.with_penalty(loss)
