"""The first rows of one column: its distinct texts, how often each occurs, and its numbers."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import MISSING_KEY, Column, Tokens, numbers_of

SAMPLED_ROWS = 100_000
"""Rows of a log that are looked at, at most."""


@dataclass(frozen=True)
class ColumnSample:
    """Some first cells of a column.

    Args:
        name: of the column.
        num_rows: how many cells.
        codes: ``(num_rows,)``: which of the tokens each cell holds; -1 where it is missing.
        tokens: the distinct texts that are not empty, in the order in which they appear.
        counts: how many cells hold each of them.
    """

    name: str
    num_rows: int
    codes: npt.NDArray[np.integer]
    tokens: Tokens
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, name: str, column: Column, num_rows: int) -> ColumnSample:
        """Return the first rows of a column."""
        codes = column.codes[:num_rows]
        counts = np.bincount(codes, minlength=len(column.tokens))
        used = np.flatnonzero((counts > 0) & (column.tokens.keys != MISSING_KEY))
        places = np.full(len(column.tokens), -1, dtype=np.int32)
        places[used] = np.arange(len(used))
        return cls(name, len(codes), places[codes], column.tokens.take(used), counts[used])

    @property
    def num_present(self) -> int:
        """How many cells are not empty."""
        return int(self.counts.sum())

    @property
    def missing(self) -> float:
        """Share of the cells that are empty."""
        return 1 - self.num_present / max(self.num_rows, 1)

    @functools.cached_property
    def texts(self) -> list[str]:
        """The distinct texts, in the order in which they appear."""
        return self.tokens.texts()

    @functools.cached_property
    def numbers(self) -> npt.NDArray[np.float64]:
        """The number that each distinct text spells, NaN if none."""
        numbers, is_bad = numbers_of(self.tokens)
        return np.where(is_bad, np.nan, numbers)

    @functools.cached_property
    def values(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """The distinct numbers, ascending, and how many cells hold each; texts may spell alike."""
        values, places = np.unique(self.numbers, return_inverse=True)
        counts = np.bincount(places, weights=self.counts, minlength=len(values))
        return values, counts.astype(np.int64)

    def in_order(self) -> npt.NDArray[np.float64]:
        """Return the number of every cell that is not empty, row by row."""
        present = self.codes[self.codes >= 0]
        numbers: npt.NDArray[np.float64] = self.numbers[present]
        return numbers
