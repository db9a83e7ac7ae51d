"""Checks of files before they are read or written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

MAX_DEPTH = 32
"""Levels of data inside each other; ctrkit writes five."""


def check_writable(path: Path) -> None:
    """Check, before long work, that a file can be written.

    Raises:
        FileNotFoundError: if its folder does not exist.
        IsADirectoryError: if it is a folder.
        PermissionError: if it or its folder is not writable.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make it")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder; name a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"cannot write {path}: it is read-only; name another file")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"cannot write {path}: the folder {path.parent} is not writable")


def check_is_file(path: Path) -> None:
    """Check that a path is a file: reading a pipe or a device may never end.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is something else.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise ValueError(f"{path} must be a file, got a folder, pipe or device")


def read_small(path: Path, most_bytes: int) -> bytes:
    """Return the content of a file of moderate size.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is larger than `most_bytes`, or no file but a pipe or a folder.
    """
    check_is_file(path)
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        size = path.stat().st_size
        raise ValueError(f"{path} must be at most {most_bytes >> 20} MiB, got {size:,} bytes")
    return content


def part_of(folder: Path, *names: str) -> Path:
    """Return the path of a file in a folder, which no link may lead out of.

    Args:
        folder: a run or prepared data; it may itself be a link.
        names: the way from there.

    Raises:
        ValueError: if a link leads to another place.
    """
    path = folder.joinpath(*names)
    try:
        target = path.resolve()
        is_inside = target.is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # links that lead to each other
        raise ValueError(f"{path} must be a file of {folder}, got a link: {error}") from error
    if not is_inside:
        raise ValueError(
            f"{path} must lie in {folder}, got a link to {target}; copy it there, "
            "if you trust who made the link"
        )
    return path


def check_depth(content: Any) -> None:
    """Raise ``ValueError`` where plain data are nested deeper than any that ctrkit writes."""
    level = [content]
    for _ in range(MAX_DEPTH):
        # Each once, or a nest of shared lists would double from level to level.
        inner = {
            id(item): item
            for outer in level
            if isinstance(outer, (dict, list, tuple))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        }
        level = [*inner.values()]
        if not level:
            return
    raise ValueError(f"values must be nested at most {MAX_DEPTH} deep")


def hex_crc32(crc32: int) -> str:
    """Return a CRC-32 as it stands in JSON."""
    return f"{crc32:08x}"
