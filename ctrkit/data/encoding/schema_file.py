"""``schema.json``: what a folder of prepared data or a run records of its encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ctrkit.files import load_json, part_of
from ctrkit.options import printable, shown

T = TypeVar("T")

SCHEMA_FILE = "schema.json"

FORMAT_VERSION = 1
"""Of ``schema.json``; grows when the same log would be encoded otherwise."""

COMBINED_VERSION = 2
"""Of one with crosses, history or buckets of numbers, which older releases do not know."""


def read_schema_file(folder: Path) -> dict[str, Any]:
    """Return the content of ``schema.json``.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    path = part_of(folder, SCHEMA_FILE)
    try:
        plain = load_json(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{folder} holds no {SCHEMA_FILE}: it is not prepared data, or incomplete"
        ) from error
    if "format_version" not in plain:
        raise ValueError(f"{path} is damaged: it must hold a format_version")
    return plain


def entry_of(plain: Any, *keys: str, where: Path, kind: type[T]) -> T:
    """Return the entry under nested keys in the content of a file.

    Raises:
        ValueError: if a key is missing or the value is of another type, naming the file.
    """
    path = ".".join(map(printable, keys))  # one may be a name out of the file
    found = plain
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            raise ValueError(f"{where} is damaged: it must hold {path}")
        found = found[key]
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise ValueError(f"{where} is damaged: {path} must be {kind.__name__}, got {shown(found)}")
    return found


def check_version(plain: Mapping[str, Any], folder: Path) -> None:
    """Raise ``ValueError`` unless the content of ``schema.json`` can be understood."""
    version = plain["format_version"]
    if version not in (FORMAT_VERSION, COMBINED_VERSION):
        raise ValueError(
            f"{folder / SCHEMA_FILE} must have format_version {FORMAT_VERSION} or "
            f"{COMBINED_VERSION}, got {shown(version)}; prepare the log again, or use the "
            f"ctrkit that wrote it "
            f"({printable(plain.get('ctrkit_version', 'unknown'))})"
        )
