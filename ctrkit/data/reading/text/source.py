"""Text files, plain or compressed, as blocks of whole lines of bounded size."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrkit.data.reading.bad_rows import BadRow
from ctrkit.data.reading.block_rows import most_rows
from ctrkit.data.reading.blocks import Block, Table
from ctrkit.data.reading.raw import DAMAGED, RawFile, Unpacked
from ctrkit.data.reading.text.csv_lines import compressed, parse_lines
from ctrkit.data.reading.text.cutting import (
    Piece,
    few_rows,
    newlines_outside,
    num_lines,
    whole_rows,
)
from ctrkit.data.reading.text.header import read_header
from ctrkit.data.reading.text.records import Dialect
from ctrkit.data.schemas import Schema

BLOCK_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class TextBlock(Block):
    """Whole lines of one file (see `Block`).

    Args:
        piece: the lines.
        dialect: how a line is cut into cells.
    """

    piece: Piece
    dialect: Dialect
    unit = "line"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the cells of a line."""
        return self.dialect.columns

    @property
    def num_lines(self) -> int:
        """Number of lines."""
        return len(self._ends)

    @functools.cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self.piece.data == ord("\n")) + 1

    def table(self, wanted: Collection[str]) -> Table:
        """Return the wanted columns (see `Block`)."""
        return parse_lines(self.piece.words, self.piece.num_bytes, self.dialect, wanted, self.place)

    def content(self, row: BadRow) -> str:
        """Return a row without its line end (see `Block`)."""
        start = self._ends[row.start - 1] if row.start else 0
        content = self.piece.data[start : self._ends[row.end - 1]].tobytes()
        return content.decode("utf-8", "surrogateescape").rstrip("\r\n")

    def without(self, is_bad: npt.NDArray[np.bool_]) -> TextBlock:
        """Return the block without some of its lines (see `Block`)."""
        is_kept = np.repeat(~is_bad, np.diff(self._ends, prepend=0))
        words, data = compressed(self.piece.data, is_kept)
        piece = Piece(words, len(data), self.piece.line)
        return dataclasses.replace(self, piece=piece, kept=self.kept_without(is_bad))


class TextSource:
    """A TSV or CSV file, or a stream of such text; gzip and xz are recognised by their first bytes.

    Args:
        path: the file; ``"-"`` for standard input.
        block_bytes: size of a block; None for `BLOCK_BYTES`. No result depends on it.
        skip: bad rows will be skipped.

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
        self._file = RawFile(path)
        self.name = self._file.name
        self.stream = self._file.stream
        self._skip = skip
        self._block_bytes = block_bytes or BLOCK_BYTES
        self._hash: str | None = None

    def about_rows(self, schema: Schema) -> int | None:
        """Return about how many rows there are, by the first block; None for a stream."""
        if self.stream is not None:
            return None
        data = np.empty(self._block_bytes, np.uint8)
        with self._file.reading() as file:
            try:
                end = file.fill(data.data)
            except DAMAGED:
                return None  # said when it is read, with the line
            num_rows = int(np.count_nonzero(newlines_outside(data[:end], schema.quote)))
            # Of a compressed file more was read than the block holds: the estimate is low.
            return num_rows * file.size // max(file.num_bytes, 1)

    def content_hash(self) -> str:
        """Return the SHA-256 of the file as it lies on the disk, or of what a stream has given."""
        if self._hash is None:
            if self.stream is not None:
                raise ValueError(f"{self.name} must be read before its content is known")
            with self._file.path.open("rb") as file:
                self._hash = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hash

    def first_block(self, schema: Schema) -> TextBlock:
        """Return the first rows (see `Source`)."""
        with self._file.peeking() as file:
            return next(self._blocks_of(file, schema))

    def blocks(self, schema: Schema) -> Iterator[TextBlock]:
        """Return the rows in blocks of whole lines (see `Source`)."""
        with self._file.reading() as file:
            yield from self._blocks_of(file, schema)
            self._hash = file.finish()

    def _blocks_of(self, file: Unpacked, schema: Schema) -> Iterator[TextBlock]:
        dialect = Dialect((), schema.separator, schema.quote)
        part: Piece | None = None
        try:
            for piece in whole_rows(file, self._block_bytes, dialect, self.name, skip=self._skip):
                rows = piece
                if not dialect.columns:
                    columns, end = read_header(piece, schema, self.name, skip=self._skip)
                    dialect = dataclasses.replace(dialect, columns=columns)
                    rows = piece.cut(end, piece.num_bytes) if end else piece
                max_rows = most_rows(schema, len(dialect.columns))
                for part in few_rows(rows, dialect, max_rows, skip=self._skip):
                    yield TextBlock(
                        source=self.name,
                        first=part.line,
                        fraction=file.fraction,
                        piece=part,
                        dialect=dialect,
                    )
        except DAMAGED as error:
            line = part.line + num_lines(part.data) if part else 1
            raise ValueError(
                f"{self.name} is damaged or cut short near line {line}: {error}"
            ) from error
        if part is None:
            what = "holds column names but no rows" if dialect.columns else "is empty"
            raise ValueError(f"{self.name} {what}")
