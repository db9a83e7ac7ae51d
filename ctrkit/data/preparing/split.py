"""Which row is for training, validation or test, decided from its position or its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import mix

GROUP_ROWS = 1000
"""A random split permutes this many neighbouring rows at a time, so that no row order of the
whole log has to be kept, and every stretch of the log has the same proportions."""

Parts = npt.NDArray[np.uint8]
Fractions = tuple[float, float, float]


@dataclass(frozen=True)
class Span:
    """Consecutive rows.

    Args:
        start: position of the first row in the log.
        num_rows: how many.
        times: ``(num_rows,)`` time of each row, where a split needs it.
    """

    start: int
    num_rows: int
    times: npt.NDArray[np.float64] | None = None


class Split(Protocol):
    """A rule that gives each row a part: 0 train, 1 valid, 2 test."""

    def parts(self, span: Span) -> Parts:
        """Return the part of every row, ``(num_rows,)``."""


def check_fractions(fractions: Sequence[float]) -> None:
    """Raise ``ValueError`` unless three fractions, the first positive, add up to 1."""
    good = len(fractions) == 3 and min(fractions) >= 0 and fractions[0] > 0
    if not good or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            "fractions must be three numbers for train, valid and test that add up to 1, "
            f"got {tuple(fractions)}"
        )


@dataclass(frozen=True)
class WholeSplit:
    """All rows in one part."""

    part: int

    def parts(self, span: Span) -> Parts:
        """Return the parts (see `Split`)."""
        return np.full(span.num_rows, self.part, dtype=np.uint8)


@dataclass(frozen=True)
class RandomSplit:
    """Rows at random, in exact proportions.

    Args:
        num_rows: rows of the whole log.
        fractions: of train, valid and test.
        seed: of the split. The rule is arithmetic, not a library's generator, so it never changes.

    Example:
        >>> split = RandomSplit(num_rows=20, fractions=(0.8, 0.1, 0.1), seed=2021)
        >>> np.bincount(split.parts(Span(0, 20)))
        array([16,  2,  2])
    """

    num_rows: int
    fractions: Fractions
    seed: int

    def parts(self, span: Span) -> Parts:
        """Return the parts (see `Split`)."""
        first = span.start // GROUP_ROWS
        last = -(-(span.start + span.num_rows) // GROUP_ROWS)
        rows = np.arange(first * GROUP_ROWS, last * GROUP_ROWS, dtype=np.uint64)
        noise = mix(mix(np.array([self.seed], dtype=np.uint64)) ^ rows)
        noise[rows >= self.num_rows] = np.iinfo(np.uint64).max
        order = np.argsort(noise.reshape(-1, GROUP_ROWS), axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(GROUP_ROWS)[None], axis=1)
        starts = np.arange(first, last) * GROUP_ROWS
        ends = np.minimum(starts + GROUP_ROWS, self.num_rows)
        found = np.zeros(rank.shape, dtype=np.uint8)
        for bound in np.cumsum(self.fractions)[:2]:
            # Cumulative rounding: the proportions are right at the end of every group.
            within = np.floor(bound * ends + 0.5) - np.floor(bound * starts + 0.5)
            found += rank >= within[:, None]
        skip = span.start - first * GROUP_ROWS
        return found.ravel()[skip : skip + span.num_rows]


@dataclass(frozen=True)
class LastSplit:
    """The first rows for training, the last for test."""

    num_rows: int
    fractions: Fractions

    def parts(self, span: Span) -> Parts:
        """Return the parts (see `Split`)."""
        rows = np.arange(span.start, span.start + span.num_rows)
        bounds = np.floor(np.cumsum(self.fractions)[:2] * self.num_rows + 0.5)
        return np.searchsorted(bounds, rows, side="right").astype(np.uint8)


@dataclass(frozen=True)
class TimeSplit:
    """The earliest rows for training, the latest for test; a moment is never divided.

    Args:
        valid_from: time of the first row of valid.
        test_from: time of the first row of test.
    """

    valid_from: float
    test_from: float

    @classmethod
    def fit(
        cls,
        times: npt.NDArray[np.float64],
        counts: npt.NDArray[np.int64],
        fractions: Fractions,
    ) -> TimeSplit:
        """Return the split whose proportions come closest to the fractions.

        Args:
            times: the distinct times, ascending.
            counts: rows at each of them.
            fractions: of train, valid and test.

        Raises:
            ValueError: if there are fewer times than parts.

        Example:
            >>> TimeSplit.fit(np.array([1.0, 2.0, 3.0]), np.array([8, 1, 1]), (0.8, 0.1, 0.1))
            TimeSplit(valid_from=2.0, test_from=3.0)
        """
        needed = sum(fraction > 0 for fraction in fractions)
        if len(times) < needed:
            raise ValueError(
                f"a split by time needs at least {needed} different times, got {len(times)}; "
                "use split 'last' or 'random'"
            )
        before = np.concatenate([[0], np.cumsum(counts)])
        targets = np.cumsum(fractions)[:2] * before[-1]
        has_valid, has_test = fractions[1] > 0, fractions[2] > 0
        # Number of times that lie before each cut, leaving at least one for every part.
        test_least, test_most = 1 + has_valid, len(times) - has_test
        test = int(np.argmin(np.abs(before[test_least : test_most + 1] - targets[1]))) + test_least
        valid_most = test - has_valid
        valid = int(np.argmin(np.abs(before[1 : valid_most + 1] - targets[0]))) + 1
        valid = valid if has_valid else test
        bounded = np.append(times, np.inf)
        return cls(float(bounded[valid]), float(bounded[test]))

    def parts(self, span: Span) -> Parts:
        """Return the parts (see `Split`)."""
        if span.times is None:
            raise ValueError("a split by time needs the times of the rows")
        found = (span.times >= self.valid_from).astype(np.uint8)
        found += span.times >= self.test_from
        return found
