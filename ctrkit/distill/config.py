"""DistillConfig: the options of a distillation, besides those of its training runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ctrkit.models import CTR_WEIGHT, KD_WEIGHT
from ctrkit.options import (
    check_between,
    check_choice,
    check_factor,
    check_positive,
    check_types,
    option,
)
from ctrkit.training import TrainConfig

LOSSES = {"logits": (CTR_WEIGHT, KD_WEIGHT), "soft_labels": (0.1, 0.9)}
"""Losses of the distillation, and the weights of its two terms that are taken by default."""

DISTILL_EPOCHS = 3
"""Epochs of a distillation for each of training: logits say more than clicks, and overfit less."""

DISTILL_RATE = 5.0
"""Step size of a distillation for that of training, measured on the samples."""

FINETUNE_RATE = 0.025
"""Step size of fine-tuning for that of training: with a tenth, the table overfits at once."""

TEMPERATURES = (1e-3, 1e4)
"""Lowest and highest temperature: beyond them, float32 tells no soft labels apart."""

TABLES = ("auto", "copy", "own")
SELECTIONS = ("agreement", "auc")


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """Options of a distillation.

    With t and s the logits of teacher and student, y the labels, T the temperature::

        logits:      ctr_weight BCE(s, y) + kd_weight mean((t - s)^2)
        soft_labels: ctr_weight BCE(s, y) + kd_weight T^2 BCE(s / T, sigmoid(t / T))

    The default weights depend on the loss: .1 and 921.6 for ``logits``, those of the
    authors' code (alpha and beta); .1 and .9 for ``soft_labels``. T^2 keeps the gradients of the
    soft labels as large as without a temperature (Hinton et al., 2015).

    Source: Tian et al., "Directed Acyclic Graph Factorization Machines for CTR Prediction via
    Knowledge Distillation", WSDM 2023 (arXiv 2211.11159).

    Raises:
        ValueError: if a value is out of its range or a name is unknown.
        TypeError: if a value has the wrong type.

    Example:
        >>> DistillConfig(kd_loss="soft_labels").weights
        (0.1, 0.9)
    """

    kd_loss: str = option(
        "logits", "distance from the teacher: of logits, or of probabilities", choices=LOSSES
    )
    ctr_weight: float | None = option(
        None, "weight of the loss on clicks (default: depends on kd_loss)"
    )
    kd_weight: float | None = option(
        None, "weight of the distance from the teacher (default: depends on kd_loss)"
    )
    temperature: float = option(1.0, "divides both logits before probabilities are compared")
    student_table: str = option(
        "auto", "copy the teacher's, frozen at first; auto copies if it fits", choices=TABLES
    )
    select_by: str = option(
        "agreement", "what selects the distilled weights on the validation rows", choices=SELECTIONS
    )
    distill_epochs: int | None = option(
        None, "most epochs of the distillation (default: three times epochs)"
    )
    distill_learning_rate: float | None = option(
        None, "learning rate of the distillation (default: five times learning_rate)"
    )
    finetune_epochs: int | None = option(None, "most epochs of fine-tuning (default: epochs)")
    finetune_learning_rate: float | None = option(
        None, "learning rate of fine-tuning (default: a fortieth of learning_rate)"
    )

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("kd_loss", self.kd_loss, LOSSES)
        check_choice("student_table", self.student_table, TABLES)
        check_choice("select_by", self.select_by, SELECTIONS)
        check_positive(temperature=self.temperature)
        check_between(*TEMPERATURES, temperature=self.temperature)
        if self.temperature != 1 and self.kd_loss == "logits":
            raise ValueError(
                f"temperature must be 1 with kd_loss 'logits', got {self.temperature!r}; "
                "it divides the logits of kd_loss 'soft_labels'"
            )
        for name in ("ctr_weight", "kd_weight"):
            if getattr(self, name) is not None:
                check_factor(**{name: getattr(self, name)})
        if self.weights == (0, 0):
            raise ValueError("ctr_weight and kd_weight must not both be 0: nothing is learnt")
        for phase in ("distill", "finetune"):
            for name in (f"{phase}_epochs", f"{phase}_learning_rate"):
                if getattr(self, name) is not None:
                    check_positive(**{name: getattr(self, name)})

    @property
    def weights(self) -> tuple[float, float]:
        """Factors of the loss on clicks and of the distance from the teacher."""
        ctr, kd = LOSSES[self.kd_loss]
        return (
            ctr if self.ctr_weight is None else self.ctr_weight,
            kd if self.kd_weight is None else self.kd_weight,
        )

    def distilling(self, train: TrainConfig) -> TrainConfig:
        """Return the options of the distillation, derived from those of plain training."""
        rate = self.distill_learning_rate or DISTILL_RATE * train.learning_rate
        monitor = "auc" if self.select_by == "auc" else train.monitor
        epochs = self.distill_epochs or DISTILL_EPOCHS * train.epochs
        # The linear part, if there is one, is the teacher's.
        start = "built" if train.start == "built" else "calibrated"
        return replace(_with_rate(train, rate), epochs=epochs, monitor=monitor, start=start)

    def finetuning(self, train: TrainConfig) -> TrainConfig:
        """Return the options of the fine-tuning, derived from those of plain training."""
        rate = self.finetune_learning_rate or FINETUNE_RATE * train.learning_rate
        epochs = self.finetune_epochs or train.epochs
        return replace(_with_rate(train, rate), epochs=epochs, start="built")


def _with_rate(train: TrainConfig, rate: float) -> TrainConfig:
    """Return options with another learning rate; the table's changes by the same factor."""
    table = train.table_learning_rate
    if table is not None:
        table *= rate / train.learning_rate
    return replace(train, learning_rate=rate, table_learning_rate=table)
