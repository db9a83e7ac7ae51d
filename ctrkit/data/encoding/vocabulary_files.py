"""The vocabularies of an encoder in a folder, one file each."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ctrkit.data.encoding.vocabulary import Vocabulary
from ctrkit.data.schemas import Schema
from ctrkit.files import check_is_file, hex_crc32, write_together
from ctrkit.options import shown

VOCABULARY_FOLDER = "vocabularies"

MAX_LINE_BYTES = 64 << 20
"""Longest line of a file that is read: no category comes near it."""

_PIECE_BYTES = 1 << 20


def file_names(schema: Schema) -> dict[str, str]:
    """Return the name of the vocabulary's file of every field, by the name of the field."""
    return numbered_names([field.name for field in schema.model_fields], ".txt")


def numbered_names(field_names: Sequence[str], suffix: str) -> dict[str, str]:
    """Return the name of a file for every field, by the name of the field."""
    # A number, because different names may become the same file name.
    return {
        name: f"{index:03d}_{re.sub(r'[^A-Za-z0-9_-]', '_', name)[:80]}{suffix}"
        for index, name in enumerate(field_names)
    }


def save_vocabularies(
    folder: Path, schema: Schema, vocabularies: Mapping[str, Vocabulary]
) -> dict[str, str]:
    """Write the vocabularies, and return the CRC-32 of each file by the name of the field.

    Each file is whole or not there. Those of a former encoder stay, see `remove_others`.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder = folder / VOCABULARY_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names(schema)
    sums: dict[str, str] = {}

    def summed(name: str, vocabulary: Vocabulary) -> Iterator[bytes]:
        crc32 = 0
        for piece in vocabulary.pieces():
            crc32 = zlib.crc32(piece, crc32)
            yield piece
        sums[name] = hex_crc32(crc32)

    write_together(
        folder,
        ((names[name], summed(name, vocabulary)) for name, vocabulary in vocabularies.items()),
    )
    return sums


def remove_others(folder: Path, schema: Schema, vocabularies: Mapping[str, Vocabulary]) -> None:
    """Remove the files of vocabularies that are none of these."""
    names = file_names(schema)
    kept = {names[name] for name in vocabularies}
    for path in (folder / VOCABULARY_FOLDER).iterdir():
        if re.fullmatch(r"\d{3,}_.*\.txt", path.name) and path.name not in kept:
            path.unlink()


def read_vocabulary(path: Path, size: Any, checksum: str) -> Vocabulary:
    """Return the vocabulary of a file.

    Args:
        path: the file.
        size: number of categories that it must hold.
        checksum: its CRC-32, as it stands in JSON.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged.
    """
    try:
        check_is_file(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}, the folder is incomplete") from error
    num_lines = crc32 = 0
    with path.open("rb") as file:
        for piece in _whole_lines(file, path):
            num_lines += piece.count(b"\n")
            crc32 = zlib.crc32(piece, crc32)
        if num_lines != size:
            raise ValueError(f"{path} must hold {shown(size)} categories, got {num_lines}")
        if hex_crc32(crc32) != checksum:
            raise ValueError(
                f"{path} is damaged: its checksum differs; copy it again, or make the folder again"
            )
        file.seek(0)
        return Vocabulary.from_pieces(_whole_lines(file, path), where=str(path))


def _whole_lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield whole lines, about a MiB at a time, and a last line without an end, if any."""
    carry = b""
    while piece := file.read(_PIECE_BYTES):
        piece = carry + piece
        end = piece.rfind(b"\n") + 1
        if end:
            yield piece[:end]
        carry = piece[end:]
        if len(carry) > MAX_LINE_BYTES:
            raise ValueError(f"{path} is damaged: a line has more than {MAX_LINE_BYTES >> 20} MiB")
    if carry:
        yield carry
