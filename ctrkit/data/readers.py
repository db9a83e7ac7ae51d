"""Text files, plain or compressed, as blocks of whole lines of bounded size."""

from __future__ import annotations

import csv
import dataclasses
import functools
import gzip
import hashlib
import io
import lzma
import os
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ctrkit.data.bad_rows import BadRow, SkippedRow
from ctrkit.data.lines import (
    Layout,
    compressed,
    csv_options,
    parse_lines,
    quotes_in_order,
    records,
)
from ctrkit.data.schema import Schema, unique_names
from ctrkit.data.table import Table
from ctrkit.data.tokens import Keys

BLOCK_BYTES = 16 << 20
MAX_LINE_BYTES = 256 << 20

_NUM_FIRST_LINES = 1000
"""Lines that tell the columns of a file without header where its first line may be bad."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PACKED = {
    rb"PK\x03\x04": "a zip archive",
    rb"7z\xbc\xaf\x27\x1c": "a 7z archive",
    rb"BZh[1-9]1AY&SY": "packed by bzip2",
    rb"\x28\xb5\x2f\xfd": "packed by Zstandard",
    rb"(?s).{257}ustar": "a tar archive",
}
"""What a file begins with that cannot be read, once gzip or xz around it is unpacked."""
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class TextBlock:
    """Whole lines of one file.

    Args:
        source: name of the file.
        first_line: number of its first line, counted from 1.
        words: the bytes, as 8-byte words, with at least one word of padding.
        num_bytes: how many bytes are in use; the last is a line end.
        layout: how a line is cut into cells.
        fraction: how much of the file lies before the end of the block.
        kept: number of each line in the block as it was read, where lines were left out since.
    """

    source: str
    first_line: int
    words: Keys
    num_bytes: int
    layout: Layout
    fraction: float
    kept: npt.NDArray[np.int64] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the cells of a line."""
        return self.layout.columns

    @property
    def num_lines(self) -> int:
        """Number of lines."""
        return len(self._ends)

    @property
    def _data(self) -> npt.NDArray[np.uint8]:
        return self.words.view(np.uint8)[: self.num_bytes]

    @functools.cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self._data == ord("\n")) + 1

    def table(self, wanted: Collection[str]) -> Table:
        """Return the wanted columns (see `Block`)."""

        def place(line: int) -> str:
            return f"{self.source}, line {self.number(line)}"

        return parse_lines(self.words, self.num_bytes, self.layout, wanted, place)

    def number(self, line: int) -> int:
        """Return the number of a line in the file, from 1."""
        return self.first_line + (line if self.kept is None else int(self.kept[line]))

    def skipped(self, row: BadRow) -> SkippedRow:
        """Return a row as a list of skipped rows shows it."""
        start = self._ends[row.start - 1] if row.start else 0
        content = self._data[start : self._ends[row.end - 1]].tobytes()
        return SkippedRow(
            self.source,
            "line",
            self.number(row.start),
            row.reason,
            content.decode("utf-8", "surrogateescape").rstrip("\r\n"),
        )

    def without(self, is_bad: npt.NDArray[np.bool_]) -> TextBlock:
        """Return the block without some of its lines (see `Block`)."""
        is_kept = np.repeat(~is_bad, np.diff(self._ends, prepend=0))
        words, data = compressed(self._data, is_kept)
        kept = np.flatnonzero(~is_bad) if self.kept is None else self.kept[~is_bad]
        return dataclasses.replace(self, words=words, num_bytes=len(data), kept=kept)


class TextSource:
    """A TSV or CSV file; gzip and xz are recognised by their first bytes.

    Args:
        path: the file.
        block_bytes: size of a block; None for `BLOCK_BYTES`. No result depends on it.
        skip: bad rows will be left out. A row longer than a block is then bad, for a quote that
            is never closed would make one row of the rest of the file.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is a directory, an archive, or packed in another way.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        block_bytes: int | None = None,
        skip: bool = False,
    ) -> None:
        self._path = Path(path)
        self.name = str(path)
        self._skip = skip
        self._block_bytes = block_bytes or BLOCK_BYTES
        self._hash: str | None = None
        check_file(self._path)

    def about_rows(self, schema: Schema) -> int | None:
        """Return about how many rows there are, by the first block; None for a pipe."""
        if not self._path.is_file():
            return None
        data = np.empty(self._block_bytes, np.uint8)
        with self._path.open("rb") as file:
            packed = _HashedFile(file)
            try:
                end = _fill(_decompressed(packed), data.data, 0, len(data))
            except _DAMAGED:
                return None  # said when it is read, with the line
            size = os.fstat(file.fileno()).st_size
        num_lines = len(_line_ends(data[:end], schema.quote))
        # Of a packed file somewhat more was read than the block holds: rather too few rows.
        return num_lines * size // max(packed.num_bytes, 1)

    def content_hash(self) -> str:
        """Return the SHA-256 of the file as it lies on the disk."""
        if self._hash is None:
            with self._path.open("rb") as file:
                self._hash = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hash

    def blocks(self, schema: Schema) -> Iterator[TextBlock]:
        """Return the rows in blocks of whole lines (see `Source`)."""
        with self._path.open("rb") as file:
            hashed = _HashedFile(file)
            size = max(os.fstat(file.fileno()).st_size, 1)
            columns: tuple[str, ...] = ()
            has_rows = False
            line = 1
            try:
                for words, num_bytes in _whole_lines(
                    _decompressed(hashed), self._block_bytes, schema, self.name, self._skip
                ):
                    data = words.view(np.uint8).data[:num_bytes]
                    if not columns:
                        columns, skip = _columns(data, schema, self.name, self._skip)
                        words, num_bytes = _without(words, num_bytes, skip)
                        line += bytes(data[:skip]).count(b"\n")
                        if not num_bytes:
                            continue
                    has_rows = True
                    yield TextBlock(
                        source=self.name,
                        first_line=line,
                        words=words,
                        num_bytes=num_bytes,
                        layout=Layout(columns, schema.separator, schema.quote),
                        fraction=hashed.num_bytes / size,
                    )
                    newlines = np.count_nonzero(words.view(np.uint8)[:num_bytes] == ord("\n"))
                    line += int(newlines)
            except _DAMAGED as error:
                raise ValueError(
                    f"{self.name} is damaged or cut short near line {line}: {error}"
                ) from error
            if not has_rows:
                what = "holds column names but no rows" if columns else "is empty"
                raise ValueError(f"{self.name} {what}")
            self._hash = hashed.finish()


def check_file(path: Path) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` unless there is a file that can be read."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        raise ValueError(f"{path} must be a file, got a directory")
    if not path.is_file():
        return  # a pipe, which can be read only once
    with path.open("rb") as file:
        try:
            start = _decompressed(_HashedFile(file)).read(512)
        except _DAMAGED:
            return  # said when it is read, with the line
    for pattern, what in _PACKED.items():
        if re.match(pattern, start):
            raise ValueError(f"{path} is {what}; unpack it first")


class _HashedFile(io.RawIOBase):
    """A file that is hashed while it is read, so that it is read only once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)
        count = self._file.readinto(view)  # type: ignore[attr-defined]
        self._sha256.update(view[:count])
        self.num_bytes += count
        return int(count)

    def finish(self) -> str:
        """Hash what a decompressor has left unread, and return the digest."""
        while self.read(1 << 20):
            pass
        return self._sha256.hexdigest()


def _decompressed(file: _HashedFile) -> io.BufferedIOBase:
    buffered = io.BufferedReader(file, 1 << 20)
    start = buffered.peek(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=buffered)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(buffered)
    return buffered


def _whole_lines(
    stream: io.BufferedIOBase, block_bytes: int, schema: Schema, name: str, skip: bool
) -> Iterator[tuple[Keys, int]]:
    """Return buffers of whole lines, each with the number of bytes in use."""
    carry = b""
    while True:
        words = np.empty((len(carry) + block_bytes) // 8 + 3, dtype="<u8")
        data = words.view(np.uint8).data
        data[: len(carry)] = carry
        end = _fill(stream, data, len(carry), len(carry) + block_bytes)
        at_end = end < len(carry) + block_bytes
        if at_end:
            if end and data[end - 1] != ord("\n"):
                data[end] = ord("\n")
                end += 1
            if end:
                yield words, end
            return
        if skip:
            cut = _last_good_line_end(data[:end], schema)
        else:
            cut = _last_line_end(data[:end], schema.quote) or _last_record_end(data[:end], schema)
        carry = bytes(data[cut:end])
        if cut:
            yield words, cut
        elif len(carry) > MAX_LINE_BYTES:
            raise ValueError(
                f"{name} has a line of more than {MAX_LINE_BYTES >> 20} MiB; if quotes mean "
                'nothing in it, set quote = "" in the schema'
            )


def _fill(stream: io.BufferedIOBase, data: memoryview, start: int, end: int) -> int:
    while start < end:
        count = stream.readinto(data[start:end])
        if not count:
            break
        start += count
    return start


def _last_line_end(data: memoryview, quote: str) -> int:
    """Return the end of the last line that does not lie within quotes, or 0."""
    array = np.frombuffer(data, dtype=np.uint8)
    if not quote or not (array == ord(quote)).any():
        return bytes(data).rfind(b"\n") + 1
    ends = _line_ends(array, quote)
    return int(ends[-1]) + 1 if ends.size else 0


def _line_ends(array: npt.NDArray[np.uint8], quote: str) -> npt.NDArray[np.int64]:
    """Return the positions of the line ends that do not lie within quotes."""
    is_end = array == ord("\n")
    if quote:
        is_end &= ~np.bitwise_xor.accumulate(array == ord(quote))
    return np.flatnonzero(is_end)


def _last_record_end(data: memoryview, schema: Schema) -> int:
    """Return the end of the last whole record but one, or 0.

    Counting quotes finds no line end after a single quote in the middle of a cell, where it means
    nothing; ``csv`` knows the difference, and is slow.
    """
    if not schema.quote:
        return 0
    text = bytes(data).decode("latin-1")
    lines = io.StringIO(text, newline="\n")
    reader = csv.reader(iter(lines.readline, ""), **csv_options(schema.separator, schema.quote))
    ends = [0, 0, *(lines.tell() for _ in reader)]
    return ends[-2]


def _last_good_line_end(data: memoryview, schema: Schema) -> int:
    """Return the end of the last row, where rows may be bad and none may be longer, or 0."""
    array = np.frombuffer(data, dtype=np.uint8)
    layout = Layout(schema.file_columns, schema.separator, schema.quote)
    end = _last_line_end(data, schema.quote) if quotes_in_order(array, layout) else 0
    if end or not schema.quote:
        return end
    line_ends = np.flatnonzero(array == ord("\n")) + 1
    if not line_ends.size:
        return 0
    num_lines = 0
    for row in records(bytes(data[: line_ends[-1]]), layout, goes_on=True):
        num_lines = row.end
    return int(line_ends[num_lines - 1])


def _columns(
    data: memoryview, schema: Schema, name: str, skip_bad: bool
) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns and the number of bytes of the header."""
    skip = len(_BYTE_ORDER_MARK) if bytes(data[:3]) == _BYTE_ORDER_MARK else 0
    stream = io.BytesIO(data[skip:])
    if skip_bad and not schema.header:
        # The first line may be bad.
        separator = schema.separator.encode()
        found = Counter(line.count(separator) + 1 for line in islice(stream, _NUM_FIRST_LINES))
        best = max(_headerless(schema), key=lambda columns: found[len(columns)])
        if found[len(best)]:
            return best, skip
        stream.seek(0)
    # Decoded line by line, because the rest of the block may be anything.
    lines = (line.decode("utf-8") for line in stream)
    reader = csv.reader(lines, **csv_options(schema.separator, schema.quote))
    try:
        first = next((cells for cells in reader if cells), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{name}, line 1: text must be UTF-8 and one record, {error}") from error
    if not first:
        raise ValueError(f"{name} is empty")
    if schema.header:
        return unique_names(first, f"{name}, line 1"), skip + stream.tell()
    for candidate in _headerless(schema):
        if len(first) == len(candidate):
            return candidate, skip
    columns = schema.file_columns
    raise ValueError(
        f"{name}, line 1: must have {len(columns)} columns, got {len(first)}; "
        f"they begin with {', '.join(columns[:3])} and are separated by {schema.separator!r}"
    )


def _headerless(schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns that a file without header may have: with the label, and without."""
    columns = schema.file_columns
    return columns, tuple(column for column in columns if column != schema.label)


def _without(words: Keys, num_bytes: int, skip: int) -> tuple[Keys, int]:
    """Return the buffer without its first bytes."""
    if not skip:
        return words, num_bytes
    kept = np.empty((num_bytes - skip) // 8 + 3, dtype="<u8")
    kept.view(np.uint8)[: num_bytes - skip] = words.view(np.uint8)[skip:num_bytes]
    return kept, num_bytes - skip
