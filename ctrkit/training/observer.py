"""Observer: callbacks that are told about progress."""

from __future__ import annotations

from ctrkit.training.history import Record


class Observer:
    """Receives the progress of a run: a progress bar, a TensorBoard writer, a live plot.

    Subclass it and write only the methods you need; the others do nothing.
    """

    def on_start(self, *, total_steps: int, num_rows: int, done_rows: int) -> None:
        """Training begins, for at most `total_steps` steps.

        An epoch has `num_rows` rows. `done_rows` are those that a resumed run has done before; its
        earlier validations are reported again, next.
        """

    def on_step(self, *, step: int, rows: int, loss: float | None) -> None:
        """A step was made; its loss, in nats per row, is given now and then."""

    def on_validation(self, record: Record) -> None:
        """The validation rows were scored."""

    def on_end(self) -> None:
        """Training ended, with or without an error."""
