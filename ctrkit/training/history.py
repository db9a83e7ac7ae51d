"""What a run leaves behind, as plain data: one record per validation, and the result."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrkit.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Record:
    """State of a run at one validation.

    Attributes:
        step: optimizer steps so far.
        epoch: passes over the training rows so far; 0.5 is half of the first.
        train_loss: mean loss per row since the last validation, L2 terms not counted: in nats,
            where it is the loss on clicks; None before the first step.
        valid_auc: AUC on the validation rows; None in a run without them, as `valid_logloss`.
        valid_logloss: mean loss per validation row, in nats.
        valid_criterion: what chose the best weights in place of AUC or logloss, if anything did;
            smaller is better (in distillation, the distance from the teacher).
        learning_rate: step size at that moment.
        rows_per_second: training rows per second since the last validation; None before the
            first step.
        elapsed_seconds: seconds since the run began, validations included.
        best: whether this is the best validation so far.
    """

    step: int
    epoch: float
    train_loss: float | None
    valid_auc: float | None
    valid_logloss: float | None
    valid_criterion: float | None
    learning_rate: float
    rows_per_second: float | None
    elapsed_seconds: float
    best: bool


@dataclass(frozen=True)
class History(Sequence[Record]):
    """The records of a run, in order; shows itself as a table."""

    records: tuple[Record, ...] = ()

    def __getitem__(self, index: Any) -> Any:
        return self.records[index]

    def __len__(self) -> int:
        return len(self.records)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the records as plain data."""
        return [asdict(record) for record in self.records]

    def to_frame(self) -> pd.DataFrame:
        """Return the records as a DataFrame, one row per validation."""
        import pandas as pd  # here, for training itself does not need it

        return pd.DataFrame(self.to_dicts(), columns=[f.name for f in fields(Record)])

    def save(self, path: Path) -> None:
        """Write ``history.csv``."""
        with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, [f.name for f in fields(Record)])
            writer.writeheader()
            writer.writerows(self.to_dicts())

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format=lambda v: f"{v:.5g}"))


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What `Trainer.fit` returns.

    Attributes:
        best: the validation record whose weights the model now has (the last one in a run
            without validation rows).
        history: all records.
        epochs: passes over the training rows; the last may be partial.
        steps: optimizer steps.
        seconds: wall time of the run.
        num_parameters: trained numbers of the model.
        stopped: why the run ended, in words.
        settings: what was decided while it ran (device, table optimizer, ...).
    """

    best: Record
    history: History
    epochs: float
    steps: int
    seconds: float
    num_parameters: int
    stopped: str
    settings: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data, without the history."""
        return {
            "valid_auc": self.best.valid_auc,
            "valid_logloss": self.best.valid_logloss,
            "best_epoch": self.best.epoch,
            "epochs": self.epochs,
            "steps": self.steps,
            "seconds": self.seconds,
            "num_parameters": self.num_parameters,
            "stopped": self.stopped,
            **self.settings,
        }

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{name}</th>"
            f"<td>{f'{value:.6g}' if isinstance(value, float) else value}</td></tr>"
            for name, value in self.to_dict().items()
        )
        return f"<table>{cells}</table>{self.history._repr_html_()}"
