"""SkippedScores: NaN scores of skipped rows, in their places."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from ctrkit.data import SkippedRow, SkippedRows


class SkippedScores:
    """The places of skipped rows among scored ones.

    Args:
        skipped: counts and lists them.

    Example:
        >>> from ctrkit.data import SkippedRows
        >>> scores = SkippedScores(SkippedRows())
        >>> row = SkippedRow("log.csv", "line", 2, "must have 3 columns, got 2", "1,2")
        >>> scores.note([row, row], np.array([1, 2]))
        >>> np.concatenate(list(scores.filled(s for s in [np.array([0.5, 0.25])])))
        array([0.5 ,  nan, 0.25,  nan])
    """

    def __init__(self, skipped: SkippedRows) -> None:
        self._skipped = skipped
        self._before: deque[tuple[int, int]] = deque()  # number of scores before a gap, its length

    def note(self, rows: Sequence[SkippedRow], preceding: NDArray[np.int64]) -> None:
        """Take skipped rows, and how many scored ones precede each (see `read_rows`).

        Raises:
            ValueError: if more were skipped than allowed.
        """
        self._skipped.add("rows", rows)
        before, lengths = np.unique(preceding, return_counts=True)
        self._before.extend(zip(before.tolist(), lengths.tolist(), strict=True))

    def filled(
        self, scores: Generator[NDArray[np.float64], None, None]
    ) -> Generator[NDArray[np.float64], None, None]:
        """Return the scores with NaN for every skipped row."""
        done = 0
        with closing(scores):
            for some in scores:
                at: list[int] = []
                while self._before and self._before[0][0] < done + len(some):
                    before, length = self._before.popleft()
                    at += [before - done] * length
                yield np.insert(some, at, np.nan)
                done += len(some)
        for _, length in self._before:
            yield np.full(length, np.nan)
