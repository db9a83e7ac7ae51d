"""TrainConfig: the options of one training run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ctrkit.options import (
    check_choice,
    check_factor,
    check_fraction,
    check_not_negative,
    check_positive,
    check_types,
    option,
)

STARTS = ("built", "calibrated", "regression")
OPTIMIZERS = ("adam", "adamw")
TABLE_OPTIMIZERS = ("auto", "dense", "lazy", "adagrad")
SCHEDULES = ("constant", "plateau", "cosine")
MONITORS = ("auc", "logloss")
PRECISIONS = ("float32", "bf16")
SHUFFLES = ("auto", "rows", "blocks")

CHECKPOINT_OPTIONS = ("checkpoint_minutes", "checkpoint_steps", "keep_checkpoints")
"""Options that do not change what a run learns."""

MOST_TABLE_L2 = 1e-2
TABLE_L2_ROWS = 1600.0


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Options of one training run.

    The loss of a step is ``BCE + penalty + table_l2 / 2 * ||table||^2 + net_l2 / 2 * ||net||^2``.
    The optimizer adds the gradients of the two L2 terms; reported losses leave them out. adamw
    decouples them from the gradient's statistics. The lazy table optimizer regularises only the
    rows of the batch. The default ``table_l2`` is a fixed prior on the vectors, whose weight
    falls with the number N of training rows: ``min(MOST_TABLE_L2, TABLE_L2_ROWS / N)``. The
    defaults were chosen on the Criteo and Avazu samples and on generated rows
    (docs/reproducing.md).

    Raises:
        ValueError: if a value is out of its range or a name is unknown.
        TypeError: if a value has the wrong type.
    """

    start: str = option(
        "built",
        "weights at the start: as built; calibrated to the click rate; or, of the linear part, "
        "a logistic regression",
        choices=STARTS,
    )
    epochs: int = option(4, "maximum number of passes over the training rows")
    batch_size: int = option(1024, "rows per optimizer step")
    chunk_rows: int | None = option(
        None, "rows that pass the model at a time (default: chosen for device and model)"
    )
    learning_rate: float = option(2e-3, "peak learning rate")
    optimizer: str = option("adam", "how weights are updated", choices=OPTIMIZERS)
    table_optimizer: str = option(
        "auto",
        "dense updates all rows, lazy those of the batch, adagrad too, with one number of state",
        choices=TABLE_OPTIMIZERS,
    )
    table_learning_rate: float | None = option(
        None, "learning rate of the embedding table (default: learning_rate)"
    )
    table_l2: float | None = option(
        None, "L2 on the embedding table (default: scaled to the number of training rows)"
    )
    net_l2: float = option(0.0, "L2 on all other weights")
    clip_norm: float | None = option(None, "largest norm of the net's gradient (default: no limit)")
    schedule: str = option("cosine", "schedule of the learning rate", choices=SCHEDULES)
    plateau_factor: float = option(0.1, "plateau multiplies the learning rate by this")
    plateau_patience: int = option(1, "validations without improvement before plateau acts")
    plateau_monitor: str | None = option(
        None, "validation figure that plateau watches (default: monitor)", choices=MONITORS
    )
    warmup_steps: int = option(10, "steps in which the learning rate rises from 0")
    min_learning_rate: float = option(1e-6, "lower limit of the schedules")
    validations_per_epoch: int = option(2, "how often the validation rows are scored")
    validate_every: int | None = option(None, "steps between validations, instead (default: off)")
    patience: int = option(4, "stop after this many validations without a gain of min_gain")
    min_gain: float = option(
        1e-5, "least gain that patience counts; the best weights are kept at any gain"
    )
    monitor: str = option(
        "auc", "validation figure that chooses the best weights", choices=MONITORS
    )
    checkpoint_minutes: float = option(10.0, "most minutes between two checkpoints to resume from")
    checkpoint_steps: int | None = option(None, "most steps between two (default: no limit)")
    keep_checkpoints: int = option(1, "how many checkpoints to keep during the run")
    seed: int = option(2021, "seed of initial weights, order of rows and dropout")
    shuffle: str = option(
        "auto",
        "shuffle single rows, or blocks of rows that do not fit into memory",
        choices=SHUFFLES,
    )
    device: str = option("auto", "cpu, cuda, cuda:1 ...; auto takes CUDA if there is one")
    precision: str = option("float32", "bf16 uses autocast", choices=PRECISIONS)
    compile: bool = option(False, "compile the model with torch.compile")

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            validations_per_epoch=self.validations_per_epoch,
            patience=self.patience,
            plateau_patience=self.plateau_patience,
            checkpoint_minutes=self.checkpoint_minutes,
            keep_checkpoints=self.keep_checkpoints,
            table_learning_rate=self.table_learning_rate,
            clip_norm=self.clip_norm,
            validate_every=self.validate_every,
            chunk_rows=self.chunk_rows,
            checkpoint_steps=self.checkpoint_steps,
        )
        check_not_negative(
            warmup_steps=self.warmup_steps,
            min_learning_rate=self.min_learning_rate,
            min_gain=self.min_gain,
            seed=self.seed,
        )
        check_fraction(plateau_factor=self.plateau_factor)
        check_factor(net_l2=self.net_l2, table_l2=self.table_l2)
        check_choice("start", self.start, STARTS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("table_optimizer", self.table_optimizer, TABLE_OPTIMIZERS)
        if self.compile and self.table_optimizer in ("lazy", "adagrad"):
            raise ValueError(
                f"compile goes with the dense table optimizer only, got {self.table_optimizer!r}"
            )
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("monitor", self.monitor, MONITORS)
        if self.plateau_monitor is not None:
            check_choice("plateau_monitor", self.plateau_monitor, MONITORS)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("shuffle", self.shuffle, SHUFFLES)

    def for_rows(self, num_rows: int) -> TrainConfig:
        """Return these options with what depends on the number of training rows filled in."""
        if self.table_l2 is not None:
            return self
        return replace(self, table_l2=min(MOST_TABLE_L2, TABLE_L2_ROWS / num_rows))
