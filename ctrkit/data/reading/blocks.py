"""Rows cut into columns of distinct texts, however the log is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import Column
from ctrkit.data.reading.bad_rows import BadCellsError, BadRow, SkippedRow
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

    def require(self, name: str, is_bad: npt.NDArray[np.bool_], must: str) -> None:
        """Raise `BadCellsError` if the cell of a row is a bad token, for all such rows."""
        if not is_bad.any():
            return
        column = self.columns[name]
        texts = column.tokens.texts()
        lines = self.lines()
        raise BadCellsError(
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


@dataclass(frozen=True, kw_only=True)
class Block(ABC):
    """A piece of a source that is cut into columns by itself, in any thread. Abstract.

    Args:
        source: name of the source.
        first: number of the first of its lines in the source, from 1.
        fraction: how much of the source lies before the end of the block, 0 to 1.
        kept: number of each line in the block as it was, where lines were left out since.

    Attributes:
        unit: what its rows are counted in: ``"line"`` of a text, ``"row"`` of a frame.
    """

    source: str
    first: int
    fraction: float
    kept: npt.NDArray[np.int64] | None = None
    unit: ClassVar[str]

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""

    @property
    @abstractmethod
    def num_lines(self) -> int:
        """Number of its lines; of a frame, of its rows."""

    @abstractmethod
    def table(self, wanted: Collection[str]) -> Table:
        """Return the wanted columns of the rows.

        Raises:
            BadRowsError: if rows cannot be read, naming file and line of the first.
        """

    @abstractmethod
    def content(self, row: BadRow) -> str:
        """Return a row as a list of skipped rows shows it."""

    @abstractmethod
    def without(self, is_bad: npt.NDArray[np.bool_]) -> Self:
        """Return the block without some of its lines, ``(num_lines,)``, but not without all."""

    def number(self, line: int) -> int:
        """Return the number of a line in the source, from 1."""
        return self.first + (line if self.kept is None else int(self.kept[line]))

    def place(self, line: int) -> str:
        """Return where a line came from (see `Place`)."""
        return f"{self.source}, {self.unit} {self.number(line)}"

    def skipped(self, row: BadRow) -> SkippedRow:
        """Return a row as one that was left out."""
        number = self.number(row.start)
        return SkippedRow(self.source, self.unit, number, row.reason, self.content(row))

    def kept_without(self, is_bad: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return what `kept` is without some of the lines."""
        return np.flatnonzero(~is_bad) if self.kept is None else self.kept[~is_bad]


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
