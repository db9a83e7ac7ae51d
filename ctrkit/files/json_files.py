"""JSON with a checksum of its text, of bounded size: it may come from a stranger or a bad disk."""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from ctrkit.files.atomic import atomic_write
from ctrkit.files.checks import check_depth, hex_crc32, read_small
from ctrkit.options import MAX_LISTED, shortened, shown

MAX_JSON_BYTES = 16 << 20
"""The largest JSON file that is read or written: 20,000 columns take 6 MiB."""

MAX_VALUES = 400_000
"""Most values of a JSON file; 20,000 columns have 200,000."""

CHECKSUM = "checksum"
"""Last key of a JSON file: the checksum of all the text before it."""

_CHECKSUM_ENTRY = f'"{CHECKSUM}": "text:'
_CHECKSUM_AT_END = re.compile(
    rb'"' + CHECKSUM.encode() + rb'": "text:([0-9a-f]{8})"\s{0,9}\}\s{0,9}\Z'
)


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
    with atomic_write(path) as temporary:
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
        raise ValueError(f"{path} is damaged: its values are nested too deeply") from error
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
        "its checksum differs; write it again, or, "
        f'if it was edited on purpose, give it "{CHECKSUM}": null'
    )


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
