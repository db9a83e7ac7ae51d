"""The vocabularies of an encoder in a folder, one file each."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ctrkit.data.schema import Schema
from ctrkit.data.vocabulary import Vocabulary
from ctrkit.files import check_is_file, hex_crc32, write_together
from ctrkit.options import shown

VOCABULARY_FOLDER = "vocabularies"


def file_names(schema: Schema) -> dict[str, str]:
    """Return the name of the file of every field, by the name of the field."""
    # A number, because names that differ may look the same once they fit a file name.
    return {
        field.name: f"{index:03d}_{re.sub(r'[^A-Za-z0-9_-]', '_', field.name)[:80]}.txt"
        for index, field in enumerate(schema.model_fields)
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


def read_vocabulary(path: Path, size: Any, crc32: str) -> Vocabulary:
    """Return the vocabulary of a file.

    Args:
        path: the file.
        size: number of categories that it must hold.
        crc32: its checksum.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged.
    """
    try:
        check_is_file(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}, the folder is not whole") from error
    content = path.read_bytes()
    num_lines = content.count(b"\n")
    if num_lines != size:
        raise ValueError(f"{path} must hold {shown(size)} categories, got {num_lines}")
    if hex_crc32(zlib.crc32(content)) != crc32:
        raise ValueError(
            f"{path} is damaged: it is not what was written, as its checksum shows; copy it "
            "again, or make the folder anew"
        )
    return Vocabulary.from_bytes(content, where=str(path))
