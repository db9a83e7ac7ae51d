"""TOML, read in bounded time and memory.

The reader of Python keeps, for a key of n parts, every one of its n beginnings, and notes of each
table and key of a file a thousand bytes. So sizes are checked first.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctrkit.files.checks import MAX_DEPTH, check_depth, read_small
from ctrkit.options import MAX_LISTED, shortened, shown

MAX_BYTES = 4 << 20
"""The largest TOML file that is read: a schema of 20,000 columns takes 2 MiB."""

MAX_MARKS = 250_000
"""Most of ``. = , [ {`` in a file, one of which begins every value and every part of a key."""

MAX_NUMBER_LENGTH = 10_000

_BASIC = r'''"(?:[^"\\\n]++|\\.)*+"'''
_PART = rf"""(?:[\w-]++|{_BASIC}|'[^'\n]*+')"""
_NEXT_PART = rf"[ \t]*+\.[ \t]*+{_PART}"
_TOKEN = re.compile(
    r'''"""(?:[^"\\]++|\\[\s\S]|"(?!""))*+"{3,5}'''
    r"""|'''(?:[^']++|'(?!''))*+'{3,5}"""
    r"|#[^\n]*+"
    rf"|(?P<long_key>{_PART}(?:{_NEXT_PART}){{{MAX_DEPTH},}}+)"
    rf"|(?P<bare>[\w-]++(?:{_NEXT_PART})*+)"
    rf"|{_PART}(?:{_NEXT_PART})*+"
    r"""|(?P<open>["'])"""
)
"""What holds dots: long strings, comments, keys and numbers; or begins a text without an end."""


def load_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no TOML, or too large.
    """
    content = read_small(path, MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")  # editors write a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8, {error}; convert the file first") from error
    return parse_toml(text, where=str(path))


def parse_toml(text: str, *, where: str) -> dict[str, Any]:
    """Return the content of TOML.

    Raises:
        ValueError: if it is none, or too large, saying where it came from.
    """
    try:
        _check_size(text)
        content = tomllib.loads(text)
        check_depth(content)
    except RecursionError as error:
        raise ValueError(f"{where} must be TOML: its values are nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{where} must be TOML: {shortened(str(error), MAX_LISTED)}") from error
    return content


def _check_size(text: str) -> None:
    """Raise ``ValueError`` if TOML would take too much time or memory."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"it must be at most {MAX_BYTES >> 20} MiB, got {len(text):,} characters")
    marks = sum(map(text.count, ".=,[{"))
    if marks > MAX_MARKS:
        raise ValueError(f"it must have at most {MAX_MARKS:,} keys and values, got about {marks:,}")
    for found in _TOKEN.finditer(text):
        if found["open"]:
            return  # the reader gets no further
        if found["long_key"]:
            raise ValueError(
                f"a key must have at most {MAX_DEPTH} parts, got {shown(found['long_key'])}"
            )
        if found["bare"] and len(found["bare"]) > MAX_NUMBER_LENGTH:
            raise ValueError(
                f"a number or a key without quotes must have at most {MAX_NUMBER_LENGTH:,} "
                f"characters, got {shown(found['bare'])}"
            )


def toml_key(name: str) -> str:
    """Return a name as a key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def toml_value(value: Any) -> str:
    """Return plain data as TOML spells it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    # JSON writes booleans, whole numbers and texts like TOML, except for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
