"""A live view of a run in TensorBoard (extra ``tensorboard``)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ctrkit.training.history import Record
from ctrkit.training.observer import Observer


class TensorBoardWriter(Observer):
    """Writes the loss of steps and the records of validations as TensorBoard events.

    Args:
        folder: where the event files go.

    Raises:
        ImportError: if TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoard is not installed; pip install 'ctrkit[tensorboard]'"
            ) from error
        self._writer = SummaryWriter(str(folder))

    def on_step(self, *, step: int, rows: int, loss: float | None) -> None:
        """Write the loss, if given."""
        del rows
        if loss is not None:
            self._writer.add_scalar("train/loss", loss, step)

    def on_validation(self, record: Record) -> None:
        """Write every figure of the record."""
        for name, value in asdict(record).items():
            if isinstance(value, float):
                self._writer.add_scalar(f"validation/{name}", value, record.step)

    def on_end(self) -> None:
        """Close the file."""
        self._writer.close()
