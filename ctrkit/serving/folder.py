"""The files of a run folder: who may write there, and how they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ctrkit.fields import FieldShape
from ctrkit.training.checkpoints import unfinished

FORMAT_VERSION = 1

CONFIG = "config.json"
METRICS = "metrics.json"
CHECKPOINTS = "checkpoints"
DATA = "data"


def claim(folder: Path, *, force: bool, resume: bool = False) -> None:
    """Make sure that a run may be written into `folder`, before any work is done.

    It may be new, empty, or what an earlier run left there that did not come to a checkpoint; with
    `resume` one that did, with `force` any run. Anything else stays untouched.

    Raises:
        FileExistsError: if the folder holds something else, a finished run, or checkpoints.
        NotADirectoryError: if it is a file.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} must be a folder for the run, got a file")
    names = {path.name for path in folder.iterdir()}
    if METRICS in names and CONFIG in names and not force:
        raise FileExistsError(f"{folder} holds a finished run; give a new folder, or --force")
    if not force and not resume:
        refuse_unfinished(folder)
    is_run = CONFIG in names and read_json(folder, CONFIG).get("format_version") is not None
    if not is_run and names - {DATA, "tensorboard"}:
        raise FileExistsError(
            f"{folder} must be new, empty or a run, got a folder with {sorted(names)[0]!r}; "
            "name another"
        )


def refuse_unfinished(folder: Path) -> None:
    """Raise ``FileExistsError`` if a run in `folder` could go on from a checkpoint."""
    if unfinished(folder / CHECKPOINTS):
        raise FileExistsError(
            f"{folder} holds an unfinished run with a checkpoint; go on with --resume, "
            "give a new folder, or begin anew with --force"
        )


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        FileNotFoundError: if the folder or the file is not there.
        ValueError: if the file is no JSON object.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"run {folder} is no folder; give what `ctrkit train --out` wrote")
    path = folder / name
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is no finished run: it has no {name}; train it, or give another folder"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON, got a damaged file: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content


def shape_to_json(entry: int | FieldShape) -> Any:
    """Return a field's shape as plain data: a number where that says it all."""
    return vars(entry) if isinstance(entry, FieldShape) else int(entry)


def shape_from_json(entry: Any) -> int | FieldShape:
    """Return what `shape_to_json` was given."""
    return FieldShape(**entry) if isinstance(entry, dict) else int(entry)
