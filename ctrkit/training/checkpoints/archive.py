"""The zip archive that ``torch.save`` writes: its parts, once all of it has been checked.

A zip file may be read in several ways: with two directories, parts that overlap, or parts that
unpack to a million times their size. Only the plain form is taken, which has one reading.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ctrkit.files import check_is_file
from ctrkit.options import shown

MAX_PARTS = 1 << 16
"""Most parts of an archive, one per tensor: 20,000 columns of their own widths have 40,000."""

MAX_DIRECTORY_BYTES = 16 << 20

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s22x2H")
_BLOCK_BYTES = 1 << 20


class Part(NamedTuple):
    """Where the bytes of a part begin in the file, and how many there are."""

    start: int
    size: int


def read_parts(path: Path) -> dict[str, Part]:
    """Return the parts of an archive by name, after reading all of it for the checksums.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no archive, or a part is damaged, compressed, or shares bytes with
            another.
    """
    check_is_file(path)
    with path.open("rb") as file:
        directory = _check_end(file, path.stat().st_size)
        entries = _entries(path)
        parts = {entry.filename: _part(file, entry) for entry in entries}
        ends = [*(entry.header_offset for entry in entries[1:]), directory]
        for (name, part), end in zip(parts.items(), ends, strict=True):
            if part.start + part.size > end:
                raise ValueError(f"part {shown(name)} reaches into the next one")
        for entry in entries:
            part = parts[entry.filename]
            if _crc32(file, part) != entry.CRC:
                raise ValueError(f"part {shown(entry.filename)} is damaged: its checksum differs")
    return parts


def _check_end(file: BinaryIO, size: int) -> int:
    """Return where the directory begins; it and the records after it must end the file.

    Readers that look for these records find others where a file holds several. Where each stands
    exactly where the next one says, there is one directory only.
    """
    stop = size - _END.size
    *signed, count, length, start, comment = _unpacked(_END, file, stop)
    is_plain = signed == [b"PK\5\6", 0, 0, count] and comment == 0
    locator = _unpacked(_LOCATOR, file, stop - _LOCATOR.size)
    if locator[0] == b"PK\6\7":
        stop -= _LOCATOR.size + _END_64.size
        signature, rest, _, _, *disks, count, length, start = _unpacked(_END_64, file, stop)
        is_plain &= (signature, rest, locator[1:]) == (b"PK\6\6", _END_64.size - 12, (0, stop, 1))
        is_plain &= disks == [0, 0, count]
    if not is_plain:
        raise ValueError("it does not end as an archive of PyTorch does")
    if start + length != stop:
        raise ValueError("its directory is not where its end says")
    if count > MAX_PARTS or length > MAX_DIRECTORY_BYTES:
        raise ValueError(f"it must have at most {MAX_PARTS} parts, got {count}")
    return int(start)


def _unpacked(record: struct.Struct, file: BinaryIO, at: int) -> tuple[Any, ...]:
    file.seek(max(at, 0))
    return record.unpack(file.read(record.size).ljust(record.size, b"\0"))


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    """Return what the directory says of each part, in their order in the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"its directory cannot be read: {error}") from error
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("two parts of the archive have the same name")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"part {shown(entry.filename)} is compressed")
    return sorted(entries, key=lambda entry: entry.header_offset)


def _part(file: BinaryIO, entry: zipfile.ZipInfo) -> Part:
    """Return where a part's bytes are, behind a header that must have the name in the directory."""
    start = entry.header_offset
    signature, name_bytes, extra_bytes = _unpacked(_LOCAL, file, start)
    name = file.read(name_bytes)
    if signature != b"PK\3\4" or name != entry.orig_filename.encode():
        raise ValueError(f"part {shown(entry.filename)} is not where the directory says")
    return Part(start + _LOCAL.size + name_bytes + extra_bytes, entry.file_size)


def _crc32(file: BinaryIO, part: Part) -> int:
    """Return the CRC-32 of a part's bytes, of which a damaged file may hold fewer."""
    file.seek(part.start)
    crc32, left = 0, part.size
    while left and (block := file.read(min(left, _BLOCK_BYTES))):
        crc32 = zlib.crc32(block, crc32)
        left -= len(block)
    return crc32
