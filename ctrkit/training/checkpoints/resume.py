"""The checkpoints of a run that goes on: written now and then, the newest kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ctrkit.training.checkpoints.weights import load_tensors, save_tensors

FORMAT_VERSION = 1

PATTERN = "step-*.pt"


def unfinished(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder that a run can resume from, the newest last."""
    return sorted(folder.glob(PATTERN))


def remove_unfinished(folder: Path) -> None:
    """Remove the checkpoints in a folder that a run could resume from."""
    for path in unfinished(folder):
        path.unlink(missing_ok=True)


class Checkpoints:
    """Writes and reads ``step-NUMBER.pt``: the whole state of a run after a step.

    A file gets its name when it is whole, and older ones go after that, so that at any moment
    there is one to resume from.

    Args:
        folder: where they lie; it exists.
        keep: how many.
        writes: whether this process writes them; of several, one does.
    """

    def __init__(self, folder: Path, keep: int, *, writes: bool = True) -> None:
        self.folder = folder
        self.keep = keep
        self.writes = writes

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the state after a step, and return its file."""
        path = self.folder / f"step-{step:09d}.pt"
        if not self.writes:
            return path
        save_tensors(path, {"format_version": FORMAT_VERSION, **state})
        for older in unfinished(self.folder)[: -self.keep]:
            older.unlink()
        return path

    def newest(self) -> Path | None:
        """Return the file of the last checkpoint, or None if there is none."""
        return next(reversed(unfinished(self.folder)), None)

    def load(self, path: Path) -> dict[str, Any]:
        """Return the state that a file holds.

        Raises:
            ValueError: if it is damaged, or of another format version.
        """
        state = load_tensors(path)
        version = state.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"{path} has format version {version!r}, this ctrkit resumes from "
                f"{FORMAT_VERSION}; start the run over"
            )
        return state

    def clear(self) -> None:
        """Remove all."""
        if self.writes:
            remove_unfinished(self.folder)
