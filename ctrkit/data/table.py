"""Rows cut into columns of distinct texts, however the log is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from ctrkit.data.schema import Schema
from ctrkit.data.tokens import Column


@dataclass(frozen=True)
class Table:
    """Some consecutive rows of a log.

    Args:
        num_rows: how many.
        columns: name -> `Column`.
        where: row -> the file and line it came from, for messages.
    """

    num_rows: int
    columns: Mapping[str, Column]
    where: Callable[[int], str]

    def refuse(self, name: str, is_bad: npt.NDArray[np.bool_], must: str) -> NoReturn:
        """Raise ``ValueError`` for the first row whose cell is one of the bad tokens."""
        column = self.columns[name]
        row = int(np.flatnonzero(is_bad[column.codes])[0])
        text = column.tokens.texts()[int(column.codes[row])]
        raise ValueError(f"{self.where(row)}: column {name} must be {must}, got {text!r}")


class Block(Protocol):
    """A piece of a source that is cut into columns by itself, in any thread."""

    @property
    def source(self) -> str:
        """Name of the source."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""

    @property
    def fraction(self) -> float:
        """How much of the source lies before the end of the block, 0 to 1."""

    def table(self, wanted: Collection[str]) -> Table:
        """Return the wanted columns of the rows.

        Raises:
            ValueError: if a row cannot be read, naming file and line.
        """


class Source(Protocol):
    """One file or frame."""

    name: str

    def blocks(self, schema: Schema) -> Iterator[Block]:
        """Return the rows in order, in pieces of bounded size.

        Raises:
            ValueError: if there are no rows, or the columns are not those of the schema.
        """

    def content_hash(self) -> str:
        """Return a hash of everything in the source; free once `blocks` has reached its end."""
