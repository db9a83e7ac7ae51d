"""The files of a run folder: who may write there, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ctrkit.data import ENCODER_FOLDERS
from ctrkit.files import final_name, load_json, part_of, remove_left_overs
from ctrkit.options import shown
from ctrkit.training import remove_unfinished, unfinished

FORMAT_VERSION = 1

CONFIG = "config.json"
METRICS = "metrics.json"
BASELINE = "baseline.json"
"""What an unfinished run keeps for its ``metrics.json``."""

CHECKPOINTS = "checkpoints"
DATA = "data"

SECTIONS = ("model", "train", "data", "distill", "valid", "test", "baseline")
"""Parts of ``config.json`` and ``metrics.json`` that are objects, where they are there."""


def claim(folder: Path, *, force: bool, resume: bool = False) -> None:
    """Check that a run may be written into `folder`, before any work is done.

    It may be new, empty, or hold an earlier run without a checkpoint; with `resume` also one with a
    checkpoint, with `force` any run. Anything else stays untouched.

    Raises:
        FileExistsError: if the folder holds something else, a finished run, or checkpoints.
        NotADirectoryError: if it is a file.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} must be a folder for the run, got a file")
    names = {path.name for path in folder.iterdir() if final_name(path.name) is None}
    if is_finished(folder) and not force:
        raise FileExistsError(f"{folder} holds a finished run; give a new folder, or --force")
    if not force and not resume:
        refuse_unfinished(folder)
    if not _is_run(folder) and names - {DATA, "tensorboard"}:
        raise FileExistsError(
            f"{folder} must be new, empty or a run, got a folder with {sorted(names)[0]!r}; "
            "name another"
        )
    remove_remains(folder)


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds a finished run."""
    return (folder / METRICS).exists() and (folder / CONFIG).exists()


def remove_remains(folder: Path) -> None:
    """Remove left-overs of a killed run that no run resumes from."""
    for part in (folder, *(folder / name for name in (*ENCODER_FOLDERS, CHECKPOINTS))):
        remove_left_overs(part)
    if is_finished(folder):  # and was killed before it could remove them
        remove_unfinished(folder / CHECKPOINTS)
        (folder / BASELINE).unlink(missing_ok=True)


def refuse_unfinished(folder: Path) -> None:
    """Raise ``FileExistsError`` if a run in `folder` could resume from a checkpoint."""
    if unfinished(folder / CHECKPOINTS):
        raise FileExistsError(
            f"{folder} holds an unfinished run with a checkpoint; continue with --resume, "
            "give a new folder, or start over with --force"
        )


def _is_run(folder: Path) -> bool:
    try:
        return "format_version" in read_json(folder, CONFIG)
    except (FileNotFoundError, ValueError):
        return False


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        FileNotFoundError: if the folder or the file is not there.
        ValueError: if the file is no JSON object.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"run {folder} is no folder; give what `ctrkit train --out` wrote")
    path = part_of(folder, name)
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is no finished run: it has no {name}; train it, or give another folder"
        )
    content = load_json(path)
    for section in SECTIONS:
        if not isinstance(content.get(section, {}), dict):
            raise ValueError(
                f"{path} is damaged: {section} must be an object, got {shown(content[section])}"
            )
    return content
