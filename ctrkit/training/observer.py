"""Observer: callbacks that are told about progress."""

from __future__ import annotations

from ctrkit.training.history import Record


class Observer:
    """Is told about the progress of a run: a progress bar, a TensorBoard writer, a live plot.

    Inherit from it to write only the methods that you need; the others do nothing.
    """

    def on_start(self, *, total_steps: int, num_rows: int, done_rows: int) -> None:
        """Say that training begins, for at most `total_steps` steps.

        An epoch has `num_rows` rows. `done_rows` are those that a resumed run has passed before;
        its earlier validations are told again, next.
        """

    def on_step(self, *, step: int, rows: int, loss: float | None) -> None:
        """Say that a step was made; its loss, in nats per row, is given now and then."""

    def on_validation(self, record: Record) -> None:
        """Say that the validation rows were scored."""

    def on_end(self) -> None:
        """Say that training ended, well or not."""
