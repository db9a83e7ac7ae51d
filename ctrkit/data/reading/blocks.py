"""Rows cut into columns of distinct texts, however the log is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol, Self

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import Column
from ctrkit.data.reading import limits
from ctrkit.data.reading.bad_rows import BadRow, BadRowsError, SkippedRow
from ctrkit.data.schemas import Schema
from ctrkit.options import shown

Place = Callable[[int], str]
"""Line of a block, from 0 -> the file and line it came from, for messages."""


@dataclass(frozen=True)
class Table:
    """Some consecutive rows of a log.

    Args:
        num_rows: how many.
        columns: name -> `Column`.
        lines: returns ``(N + 1,)``: the line of the block on which each row begins, and at last
            the number of lines.
        place: see `Place`.
    """

    num_rows: int
    columns: Mapping[str, Column]
    lines: Callable[[], npt.NDArray[np.int64]]
    place: Place

    def refuse_long_cells(self) -> None:
        """Raise `BadRowsError` if a cell is too long."""
        for name, column in self.columns.items():
            tokens = column.tokens
            is_long = np.diff(tokens.long_ends, prepend=0) > limits.MAX_CELL_BYTES
            if is_long.any():
                is_bad = np.zeros(len(tokens), dtype=np.bool_)
                is_bad[tokens.long_at[is_long]] = True
                self.refuse(
                    name, is_bad, f"at most {limits.shown_size(limits.MAX_CELL_BYTES)} long"
                )

    def refuse(self, name: str, is_bad: npt.NDArray[np.bool_], must: str) -> NoReturn:
        """Raise `BadRowsError` for the rows whose cell is one of the bad tokens."""
        column = self.columns[name]
        texts = column.tokens.texts()
        lines = self.lines()
        raise BadRowsError(
            self.place,
            (
                BadRow(
                    int(lines[row]),
                    int(lines[row + 1]),
                    f"column {name} must be {must}, got {shown(texts[column.codes[row]])}",
                )
                for row in np.flatnonzero(is_bad[column.codes])
            ),
        )


class Block(Protocol):
    """A piece of a source that is cut into columns by itself, in any thread."""

    @property
    def source(self) -> str:
        """Name of the source."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""

    @property
    def unit(self) -> str:
        """What its rows are counted in: ``"line"`` of a text, ``"row"`` of a frame."""

    @property
    def fraction(self) -> float:
        """How much of the source lies before the end of the block, 0 to 1."""

    @property
    def num_lines(self) -> int:
        """Number of its lines; of a frame, of its rows."""

    def table(self, wanted: Collection[str]) -> Table:
        """Return the wanted columns of the rows.

        Raises:
            BadRowsError: if rows cannot be read, naming file and line of the first.
        """

    def number(self, line: int) -> int:
        """Return the number of a line in the source, from 1."""

    def skipped(self, row: BadRow) -> SkippedRow:
        """Return a row as a list of skipped rows shows it."""

    def without(self, is_bad: npt.NDArray[np.bool_]) -> Self:
        """Return the block without some of its lines, ``(num_lines,)``, but not without all."""


class Source(Protocol):
    """One file, stream or frame."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def stream(self) -> Hashable | None:
        """What tells a stream, which can be read only once, from all others; else None."""

    def first_block(self, schema: Schema) -> Block:
        """Return the first rows, which `blocks` will return again.

        Raises:
            ValueError: see `blocks`.
        """

    def blocks(self, schema: Schema) -> Iterator[Block]:
        """Return the rows in order, in pieces of bounded size.

        Raises:
            ValueError: if there are no rows, or the columns are not those of the schema; if it is a
                stream that has been read.
        """

    def about_rows(self, schema: Schema) -> int | None:
        """Return about how many rows there are, without reading all; None where that is unknown."""

    def content_hash(self) -> str:
        """Return a hash of everything in the source; free once `blocks` has reached its end.

        Raises:
            ValueError: if it is a stream that has not been read.
        """
