"""Buckets of numbers: cuts between the numbers of the training rows.

A number that is frequent gets a bucket of its own, the others share the rest of the buckets so that
each has about as many rows. Plain quantiles would merge the tail of a column that is mostly zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ctrkit.data.encoding.statistics import Counted, Numbers, Statistics, log1p_of
from ctrkit.data.schemas import Field
from ctrkit.fields import MISSING_ID, NUM_RESERVED_IDS, RARE_ID

_MOST_NUMBERS = 1 << 20
_KEPT_NUMBERS = 1 << 16
"""So many distinct numbers stand for more of them, each for the numbers up to it, with an error of
a 65,536th of the rows."""


def fit_cuts(pieces: Iterator[Counted], num_buckets: int) -> Numbers:
    """Return the ascending numbers that divide buckets: bucket b has cuts[b - 1] <= v < cuts[b].

    Args:
        pieces: numbers, NaN where missing, and how often each occurs in training, maybe never.
        num_buckets: how many buckets, at most.

    Example:
        >>> numbers = np.array([0.0, 1.0, 2.0, 5.0, 9.0])
        >>> fit_cuts(iter([(numbers, np.array([96, 1, 1, 1, 1]))]), 3)
        array([1., 5.])
    """
    numbers, counts = _distinct(pieces)
    if len(numbers) <= num_buckets:
        return numbers[1:]
    is_alone = np.zeros(len(numbers), dtype=np.bool_)
    left, rows = num_buckets, counts.sum()
    while (frequent := ~is_alone & (counts * left >= rows)).sum() < left and frequent.any():
        is_alone |= frequent
        left, rows = left - int(frequent.sum()), rows - counts[frequent].sum()
    # Numbers that stand alone divide the others: with fewer shares of these, there are few enough.
    for shares in range(left, 0, -1):
        begins = _begins(np.where(is_alone, 0, counts), shares)
        begins |= is_alone[1:] | is_alone[:-1]
        if np.count_nonzero(begins) < num_buckets:
            return _after(numbers, begins)
    return _after(numbers, _begins(counts, num_buckets))


def _begins(counts: npt.NDArray[np.int64], shares: int) -> npt.NDArray[np.bool_]:
    """Return, for each number but the first, whether another of so many equal shares begins."""
    share = (np.cumsum(counts) - counts) * shares // max(int(counts.sum()), 1)
    begins: npt.NDArray[np.bool_] = share[1:] != share[:-1]
    return begins


def _after(numbers: Numbers, begins: npt.NDArray[np.bool_]) -> Numbers:
    cuts: Numbers = numbers[1:][begins]
    return cuts


def _distinct(pieces: Iterator[Counted]) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Return the distinct numbers that occur, ascending, and their counts, or fewer for them."""
    numbers, counts = np.empty(0), np.empty(0, dtype=np.int64)
    for found, number in pieces:
        occurs = (number > 0) & np.isfinite(found)
        together = np.concatenate([numbers, found[occurs]])
        numbers, inverse = np.unique(together, return_inverse=True)
        totals = np.zeros(len(numbers), dtype=np.int64)
        np.add.at(totals, inverse, np.concatenate([counts, number[occurs]]))
        counts = totals
        if len(numbers) > _MOST_NUMBERS:
            numbers, counts = _thinned(numbers, counts)
    return numbers, counts


def _thinned(
    numbers: Numbers, counts: npt.NDArray[np.int64]
) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Return about `_KEPT_NUMBERS` of the numbers, with the counts of those before each."""
    sums = np.cumsum(counts)
    share = sums * _KEPT_NUMBERS // sums[-1]
    is_last = np.append(share[1:] != share[:-1], True)
    return numbers[is_last], np.diff(sums[is_last], prepend=0)


def number_ids(numbers: Numbers, cuts: Numbers) -> npt.NDArray[np.int32]:
    """Return the id of every number: that of its bucket, or of a missing one.

    Example:
        >>> number_ids(np.array([0.5, 7.0, np.nan]), np.array([1.0, 5.0]))
        array([2, 4, 0], dtype=int32)
    """
    buckets = np.searchsorted(cuts, numbers, side="right") + NUM_RESERVED_IDS
    ids: npt.NDArray[np.int32] = np.where(np.isnan(numbers), MISSING_ID, buckets).astype(np.int32)
    return ids


def number_table(
    field: Field, numbers: Numbers, statistics: Statistics | None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return ids and values of the distinct numbers of a field, NaN where missing.

    Without buckets a value scales the vector of its id, that of a missing number too, which is
    therefore 1; with buckets it moves the vector of its bucket, and a missing number does not.
    """
    missing = np.isnan(numbers)
    known = np.where(missing, 0.0, numbers)
    if field.transform == "log1p":
        known = log1p_of(known)
    if statistics is not None:
        known = statistics.standardised(known)
    if field.buckets is None or statistics is None:
        ids = np.where(missing, MISSING_ID, RARE_ID).astype(np.int32)
        return ids, np.where(missing, 1.0, known).astype(np.float32)
    ids = number_ids(numbers, statistics.cuts)
    return ids, np.where(missing, 0.0, known).astype(np.float32)
