"""Files that are whole or not there: written aside, synced, renamed; and read with care.

Whoever reads a folder may have it from a stranger, and disks do lose bits. So what is read here
is of bounded size, lies in its own folder, and carries a checksum of its content.
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ctrkit.aside import FILE_ASIDE, held_aside, named_when_full, sync
from ctrkit.options import shortened, shown

MAX_TEXT_BYTES = 64 << 20
"""The largest JSON or TOML file that is read: thousands of fields take less than one MiB."""

MAX_DEPTH = 32
"""Levels of JSON or TOML inside each other; ctrkit writes five."""

CHECKSUM = "checksum"
"""Key of a JSON file under which the checksum of all its other keys stands."""


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the name, else it is removed.

    Raises:
        OSError: see `check_writable`; or if the disk is full.
    """
    check_writable(path)
    with named_when_full(path), held_aside(path, FILE_ASIDE, Path.touch) as temporary:
        yield temporary
        if path.exists():
            shutil.copymode(path, temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


def check_writable(path: Path) -> None:
    """Make sure, before long work, that a file can be written.

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


def save_json(path: Path, content: dict[str, Any], *, checksum: bool = True) -> None:
    """Write JSON for people and programs: indented, NaN refused.

    Args:
        path: the file.
        content: what it holds.
        checksum: add the checksum that `load_json` asks for; not to what is the user's own.
    """
    with written_aside(path) as temporary:
        summed = {**content, CHECKSUM: _checksum_of(content)} if checksum else content
        text = json.dumps(summed, indent=2, allow_nan=False, ensure_ascii=False)
        # The name of a file may hold bytes that are no text: as escapes, JSON can hold them.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def load_json(path: Path) -> dict[str, Any]:
    """Return what `save_json` wrote, without the checksum.

    A file that was edited on purpose has ``"checksum": null``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not as it was written, too large, or no JSON object.
    """
    text = read_text(path)
    try:
        content = json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse_number,
            parse_float=_finite,
        )
        if not isinstance(content, dict):
            raise ValueError(f"it must hold an object, got {type(content).__name__}")
        check_depth(content)
        if CHECKSUM not in content:
            raise ValueError("it has no checksum, or was written by an older ctrkit")
        found = content.pop(CHECKSUM)
        if found is not None and found != _checksum_of(content):
            raise ValueError(
                "it is not what was written, as its checksum shows; write it anew, or, "
                f'if it was edited on purpose, give it "{CHECKSUM}": null'
            )
    except RecursionError as error:
        raise ValueError(f"{path} is damaged: its values lie too deep in each other") from error
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return content


def load_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no TOML, or too large.
    """
    return parse_toml(read_text(path), where=str(path))


def parse_toml(text: str, *, where: str) -> dict[str, Any]:
    """Return the content of TOML.

    Raises:
        ValueError: if it is none, saying where it came from.
    """
    try:
        content = tomllib.loads(text)
        check_depth(content)
    except RecursionError as error:
        raise ValueError(f"{where} must be TOML: its values lie too deep in each other") from error
    except ValueError as error:
        raise ValueError(f"{where} must be TOML: {error}") from error
    return content


def read_text(path: Path) -> str:
    """Return the text of a file of moderate size.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no UTF-8, too large, or no file but a pipe or a folder.
    """
    check_is_file(path)
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"{path} must be at most {MAX_TEXT_BYTES >> 20} MiB, got {size:,} bytes")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8, {error}; convert the file first") from error


def check_is_file(path: Path) -> None:
    """Make sure that a path is a file: reading a pipe or a device may never end.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is something else.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise ValueError(f"{path} must be a file, got a folder, pipe or device")


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


def hex_crc32(crc32: int) -> str:
    """Return a CRC-32 as it stands in JSON."""
    return f"{crc32:08x}"


def check_depth(content: Any) -> None:
    """Raise ``ValueError`` where plain data are nested deeper than any that ctrkit writes."""
    level = [content]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"values must lie at most {MAX_DEPTH} deep in each other")


def _checksum_of(content: Any) -> str:
    # Through JSON and back, for a key that is a number is sorted otherwise as a text.
    plain = json.loads(json.dumps(content, allow_nan=False))
    return hex_crc32(zlib.crc32(json.dumps(plain, sort_keys=True).encode()))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice, _ = counts.most_common(1)[0]
        raise ValueError(f"key {shown(twice)} must stand there once, got it more often")
    return content


def _finite(text: str) -> float:
    number = float(text)
    return number if number - number == 0 else _refuse_number(text)


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"numbers must be finite, got {shortened(text)}")
