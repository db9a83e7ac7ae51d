"""The progress of a training on a terminal or in a notebook."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm

from ctrkit.cli.bars import new_bar
from ctrkit.training import Observer, Record


class TrainingBar(Observer):
    """Shows rows/s, the loss and the best validation while `ctrkit.training.Trainer` runs.

    Args:
        lines: whether to also print a line per validation.
    """

    def __init__(self, *, lines: bool = True) -> None:
        self.lines = lines
        self._bar: Any = None
        self._shown: dict[str, str] = {}

    def on_start(self, *, total_steps: int, num_rows: int, done_rows: int) -> None:
        """Open the bar."""
        del total_steps
        self._shown = {}
        epochs, rows = divmod(done_rows, num_rows)
        self._epoch = epochs + 1
        self._bar = new_bar(
            total=num_rows,
            initial=rows,
            desc=f"epoch {self._epoch}",
            unit=" rows",
            unit_scale=True,
        )

    def on_step(self, *, step: int, rows: int, loss: float | None) -> None:
        """Move the bar; restart it with each epoch."""
        del step
        bar = self._bar
        if bar is None:
            return
        if bar.n >= (bar.total or 0):
            self._epoch += 1
            bar.reset()
            bar.set_description(f"epoch {self._epoch}")
        bar.update(rows)
        if loss is not None:
            self._show(loss=f"{loss:.4f}")

    def on_validation(self, record: Record) -> None:
        """Show the validation, if it is the best so far, and print it."""
        if record.best and record.valid_auc is not None:
            self._show(best_auc=f"{record.valid_auc:.5f}")
        if not self.lines or sys.stderr is None:
            return
        if record.valid_auc is None:
            valid = "no validation rows"
        else:
            valid = f"valid auc {record.valid_auc:.5f}  logloss {record.valid_logloss:.5f}"
        if record.valid_criterion is not None:
            valid += f"  distance {record.valid_criterion:.5f}"
        if record.train_loss is None or record.rows_per_second is None:
            trained = "before training"
        else:
            trained = f"loss {record.train_loss:.5f}  {record.rows_per_second:9,.0f} rows/s"
        tqdm.write(
            f"epoch {record.epoch:6.2f}  {trained}  rate {record.learning_rate:.1e}  {valid}"
            f"{'  best' if record.best and record.valid_auc is not None else ''}",
            file=sys.stderr,
        )

    def _show(self, **figures: str) -> None:
        """Show figures beside the bar, with the earlier ones."""
        self._shown |= figures
        if self._bar is not None:
            self._bar.set_postfix(self._shown, refresh=False)

    def on_end(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
