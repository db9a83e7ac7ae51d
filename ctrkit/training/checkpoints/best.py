"""The best weights of a run, kept until its end."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ctrkit.models import CTRModel
from ctrkit.training.checkpoints.weights import load_weights, save_tensors, weights_of

WEIGHT_FILES = ("best.pt", "last.pt")


class BestWeights:
    """Keeps the best weights, in a folder if given, else in memory.

    Args:
        model: whose weights.
        folder: gets ``best.pt`` and, at the end, ``last.pt``.
        writes: whether this process writes them; of several, one does.
    """

    def __init__(self, model: CTRModel, folder: Path | None, *, writes: bool = True) -> None:
        self.model = model
        self.folder = folder
        self.writes = writes
        self._in_memory: dict[str, Tensor] | None = None

    def clear(self) -> None:
        """Remove those of an earlier run, which would be taken for this one's."""
        if self.folder is not None and self.writes:
            for name in WEIGHT_FILES:
                (self.folder / name).unlink(missing_ok=True)

    def keep(self) -> None:
        """Keep the present weights; they are the best so far."""
        if self.folder is None:
            self._in_memory = None  # or the table would be there three times
            self._in_memory = weights_of(self.model)
        else:
            self._save("best.pt")

    def check(self) -> None:
        """Check that a run which goes on has the best weights that it kept.

        Raises:
            ValueError: if they are missing, damaged or of another model.
        """
        assert self.folder is not None
        try:
            load_weights(self.folder / "best.pt", self.model)
        except FileNotFoundError as error:
            raise ValueError(f"{error}, but the run has been validated; start it over") from error

    def end(self) -> None:
        """Write ``last.pt`` if there is a folder, and give the model its best weights."""
        if self.folder is not None:
            self._save("last.pt")
        self._restore()

    def where(self) -> str:
        """Say where the best weights are, for the message of a run that fails."""
        if self.folder is not None and (self.folder / "best.pt").exists():
            return f"The last good checkpoint is {self.folder / 'best.pt'}."
        if self._in_memory is not None:
            self._restore()
            return "The model holds the weights of its best validation again."
        return "There is no good checkpoint yet: it failed before the first validation."

    def _save(self, name: str) -> None:
        assert self.folder is not None
        if self.writes:
            save_tensors(self.folder / name, {"model": self.model.state_dict()})

    def _restore(self) -> None:
        weights = self._in_memory
        if self.folder is not None:
            weights = load_weights(self.folder / "best.pt", self.model)
        if weights is not None:
            self.model.load_state_dict(weights)
