"""Files that are whole or not there: written aside, synced, renamed; and read with care.

Whoever reads a folder may have it from a stranger, and disks do lose bits. So what is read here
is of bounded size, lies in its own folder, and carries a checksum of its content.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ctrkit.aside import FILE_ASIDE, FOLDER_ASIDE, held_aside, named_when_full, sync, sync_all
from ctrkit.options import MAX_LISTED, shortened, shown

MAX_JSON_BYTES = 16 << 20
"""The largest JSON file that is read or written: 20,000 columns take 6 MiB."""

MAX_VALUES = 400_000
"""Most values of a JSON file; 20,000 columns have 200,000."""

MAX_DEPTH = 32
"""Levels of data inside each other; ctrkit writes five."""

CHECKSUM = "checksum"
"""Last key of a JSON file: the checksum of all the text before it."""

_CHECKSUM_ENTRY = f'"{CHECKSUM}": "text:'
_CHECKSUM_AT_END = re.compile(
    rb'"' + CHECKSUM.encode() + rb'": "text:([0-9a-f]{8})"\s{0,9}\}\s{0,9}\Z'
)


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


def write_together(folder: Path, contents: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Write many files of a folder: each is whole or not there, and all are synced at once.

    They are written into one folder aside, so that one lock and one search for what killed
    processes left are enough for all.

    Args:
        folder: where they shall lie.
        contents: name of each file, and its content in pieces.

    Raises:
        OSError: if the folder cannot be written, or the disk is full.
    """
    with named_when_full(folder), held_aside(folder, FOLDER_ASIDE, Path.mkdir) as aside:
        names = []
        for name, pieces in contents:
            with (aside / name).open("wb") as file:
                file.writelines(pieces)
            names.append(name)
        sync_all(aside / name for name in names)
        for name in names:
            (aside / name).replace(folder / name)
        sync(folder)


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


def save_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON for people and programs: indented, NaN refused.

    Args:
        path: the file.
        content: what it holds.

    Raises:
        OSError: if it cannot be written.
        ValueError: if a number is not finite, or it is larger than `load_json` reads.
    """
    entries = {**content, CHECKSUM: f"text:{hex_crc32(0)}"}
    text = json.dumps(entries, indent=2, allow_nan=False, ensure_ascii=False)
    # The name of a file may hold bytes that are no text: as escapes, JSON can hold them.
    encoded = text.encode(errors="backslashreplace") + b"\n"
    _check_size(path, encoded)
    summed, entry, end = encoded.rpartition(_CHECKSUM_ENTRY.encode())
    encoded = summed + entry + hex_crc32(zlib.crc32(summed)).encode() + end[8:]
    with written_aside(path) as temporary:
        temporary.write_bytes(encoded)


def load_json(path: Path) -> dict[str, Any]:
    """Return what `save_json` wrote, without the checksum.

    A file that was edited on purpose has ``"checksum": null``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not as it was written, too large, or no JSON object.
    """
    encoded = read_small(path, MAX_JSON_BYTES)
    _check_size(path, encoded)
    try:
        is_checked = _check_text(encoded)
        content = json.loads(
            encoded.decode("utf-8"),
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
        if found is not None and not is_checked and found != _checksum_of(content):
            raise _changed()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8, {error}") from error
    except RecursionError as error:
        raise ValueError(f"{path} is damaged: its values lie too deep in each other") from error
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {shortened(str(error), MAX_LISTED)}") from error
    return content


def _check_size(path: Path, encoded: bytes) -> None:
    """Raise ``ValueError`` where JSON takes more memory to read than any that ctrkit needs."""
    # Every value comes after one of these; some may stand in texts, where they are counted too.
    num_values = sum(map(encoded.count, (b",", b"[", b"{")))
    if len(encoded) > MAX_JSON_BYTES or num_values > MAX_VALUES:
        raise ValueError(
            f"{path} must have at most {MAX_JSON_BYTES >> 20} MiB and {MAX_VALUES:,} values, got "
            f"{len(encoded):,} bytes and about {num_values:,} values"
        )


def _check_text(encoded: bytes) -> bool:
    """Return whether JSON ends with a checksum of its text, which must be right.

    Raises:
        ValueError: if it is not.
    """
    # The end alone, or a pattern would be tried everywhere in the text.
    start = max(0, len(encoded) - 100)
    found = _CHECKSUM_AT_END.search(encoded, start)
    if found is None:
        return False
    if found[1].decode() != hex_crc32(zlib.crc32(encoded[: found.start()])):
        raise _changed()
    return True


def _changed() -> ValueError:
    return ValueError(
        "it is not what was written, as its checksum shows; write it anew, or, "
        f'if it was edited on purpose, give it "{CHECKSUM}": null'
    )


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
    raise ValueError(f"values must lie at most {MAX_DEPTH} deep in each other")


def _checksum_of(content: Any) -> str:
    """Return the checksum of JSON's content, which files had before they had one of their text."""
    return hex_crc32(zlib.crc32(json.dumps(content, sort_keys=True).encode()))


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
