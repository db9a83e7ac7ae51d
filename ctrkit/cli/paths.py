"""Paths on the command line, checked before anything is opened."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

STANDARD = Path("-")
"""Names standard input among inputs, and standard output where a file is written."""


def path(text: str) -> Path:
    """Return the path that a word names, or `STANDARD`; ``./-`` is a file called ``-``.

    Raises:
        ArgumentTypeError: if nothing can have that name.
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be the name of a file or folder, got {text!r}")
    named = Path(text)
    return Path.cwd() / named if named == STANDARD and text != "-" else named


def file_path(text: str) -> Path:
    """Return the path of a file to write.

    Raises:
        ArgumentTypeError: if it can be a folder only.
    """
    if text.endswith("/"):
        raise argparse.ArgumentTypeError(f"must name a file, got the folder {text!r}")
    return path(text)


def folder_path(text: str) -> Path:
    """Return the path of a folder to write, a link to one followed.

    Raises:
        ArgumentTypeError: if it is standard output, or a link that leads to itself.
    """
    named = path(text)
    if named == STANDARD:
        raise argparse.ArgumentTypeError("must name a folder, got - (standard output); write ./-")
    if not named.is_symlink():
        return named
    try:
        return named.resolve()
    except (OSError, RuntimeError):
        raise argparse.ArgumentTypeError(f"must not lead to itself, got {text!r}") from None


def check_folder(option: str, out: Path) -> None:
    """Check, before long work, that a folder can be made and lies in no run or prepared data.

    Raises:
        ValueError: if it lies in a run or in prepared data, or its name is too long.
        OSError: if it or what it would lie in is no folder, or may not be written.
    """
    target = out.absolute()
    place = next(folder for folder in target.parents if os.path.lexists(folder))
    if os.path.lexists(target) and not target.is_dir():
        raise NotADirectoryError(f"{option} must be a folder, got {target}, which is none")
    if not place.is_dir():
        raise NotADirectoryError(f"cannot write {option} {out}: {place} is no folder")
    longest = os.pathconf(place, "PC_NAME_MAX")
    for name in target.relative_to(place).parts:
        if len(os.fsencode(name)) > longest:
            raise ValueError(f"{option} must have names of at most {longest} bytes, got {name}")
    inside = enclosing(target)
    if inside is not None and not _is_ours(target):  # such as the rows of a run, prepared again
        raise ValueError(
            f"{option} {out} lies in {inside}, which is a run or prepared data; name a folder "
            "elsewhere"
        )
    if not os.access(place, os.W_OK):
        raise PermissionError(f"cannot write {option} {out}: the folder {place} is not writable")


_MARKS = (("schema.json", "vocabularies"), ("distillation.json", "distilled"))
"""A folder that holds both of a pair is prepared data, a run, or what a distillation keeps."""


def enclosing(target: Path) -> Path | None:
    """Return the run or prepared data that a path lies in, None if it lies in none."""
    return next(filter(_is_ours, target.parents), None)


def _is_ours(folder: Path) -> bool:
    return any(all((folder / name).exists() for name in pair) for pair in _MARKS)
