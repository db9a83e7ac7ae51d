"""The loss that a `DistillConfig` names, on rows with the teacher's logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ctrkit.distill.config import DistillConfig
from ctrkit.models import Batch, CTRModel, Distance, logit_distance, student_loss


def soft_label_distance(student: Tensor, teacher: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return ``T^2 BCE(student / T, sigmoid(teacher / T))`` of logits ``(B,)``, in nats.

    Its gradient by a student's logit, ``T (sigmoid(s / T) - sigmoid(t / T)) / B``, is near
    ``(s - t) / (4 B)`` for a high temperature: soft labels become a comparison of logits.
    """
    soft = torch.sigmoid(teacher / temperature)
    loss = functional.binary_cross_entropy_with_logits(student / temperature, soft)
    return temperature**2 * loss


def distance_of(config: DistillConfig) -> Distance:
    """Return the distance that a config names."""
    if config.kd_loss == "logits":
        return logit_distance
    return lambda student, teacher: soft_label_distance(
        student, teacher, temperature=config.temperature
    )


def distillation_loss(student: CTRModel, config: DistillConfig) -> Callable[[Batch], Tensor]:
    """Return the loss of a batch whose ``targets`` are the teacher's logits; see `student_loss`."""
    distance = distance_of(config)
    ctr_weight, kd_weight = config.weights

    def loss(batch: Batch) -> Tensor:
        assert batch.targets is not None, "the trainer hands out what it was given as targets"
        return student_loss(
            student,
            batch,
            batch.targets,
            distance=distance,
            ctr_weight=ctr_weight,
            kd_weight=kd_weight,
        )

    return loss
