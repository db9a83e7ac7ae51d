"""Rows as matrices, for a logistic regression: a column for each id, and one for each value.

Some of many rows suffice for a weight per id. They are drawn at random, one from each of as many
equal stretches of the log: rows at equal distances would be all clicks in a log that has a click
and then two other rows, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctrkit.fields import MISSING_ID, FieldShape
from ctrkit.machine import release_pages
from ctrkit.rows import Rows, concatenate
from ctrkit.training.input import Examples, check_ids

MOST_ENTRIES = 8_000_000
"""Ids and values of all rows that are in memory at a time."""

READ_ROWS = 1 << 14
"""Rows that are read at a time, of files that may be larger than the memory."""

_SEED = 2021

Sums = NDArray[np.float64]


class Design(NamedTuple):
    """Rows as matrices: ``table`` sparse ``(N, R)``, ``values`` dense ``(N, V)``."""

    table: Any
    values: Sums

    def logits(self, weights: Sums) -> Sums:
        """Return the logits ``(N,)`` of weights ``(R + V + 1,)``, of which the last is a bias."""
        split = self.table.shape[1]
        found: Sums = self.table @ weights[:split] + weights[-1]
        # einsum, because its sums do not depend on the number of threads.
        found += np.einsum("nv,v->n", self.values, weights[split:-1])
        return found

    def transposed(self, numbers: Sums) -> Sums:
        """Return the sums ``(R + V + 1,)`` of numbers ``(N,)`` over the rows."""
        of_values = np.einsum("nv,n->v", self.values, numbers)
        return np.concatenate([self.table.T @ numbers, of_values, [numbers.sum()]])

    def squares(self) -> Sums:
        """Return the sums of squares ``(R + V + 1,)`` of the columns."""
        of_ids = np.bincount(self.table.indices, self.table.data**2, self.table.shape[1])
        of_values = np.einsum("nv,nv->v", self.values, self.values)
        return np.concatenate([of_ids, of_values, [float(self.table.shape[0])]])

    def with_columns_of(self, is_kept: NDArray[np.bool_]) -> Design:
        """Return the design of one or more ids ``(R,)`` alone; changes the arrays of this one."""
        from scipy.sparse import csr_matrix

        data, columns, starts = self.table.data, self.table.indices, self.table.indptr
        data[~is_kept[columns]] = 0.0
        place = np.maximum(np.cumsum(is_kept, dtype=np.int32) - 1, 0)
        shape = (self.table.shape[0], int(np.count_nonzero(is_kept)))
        return Design(csr_matrix((data, place[columns], starts), shape=shape), self.values)


def num_entries(shapes: Sequence[FieldShape]) -> int:
    """Return the ids and values of a row."""
    return sum(shape.num_slots + shape.value_columns for shape in shapes)


def num_sampled(num_rows: int, shapes: Sequence[FieldShape], most: int) -> int:
    """Return how many of so many rows a sample has."""
    return max(1, min(num_rows, most, MOST_ENTRIES // num_entries(shapes)))


def sample_of(rows: Examples, size: int) -> Rows:
    """Return so many of the rows, in their order; the same ones each time."""
    num_rows = len(rows.ids)
    if size >= num_rows:
        return Rows(rows.ids, rows.labels, rows.values)
    edges = np.arange(size + 1) * num_rows // size
    draw = np.random.default_rng(_SEED).random(size)
    positions = edges[:-1] + (draw * np.diff(edges)).astype(np.int64)
    starts = range(0, size, READ_ROWS)
    return concatenate([_read(rows, positions[start : start + READ_ROWS]) for start in starts])


def blocks_of_designs(shapes: Sequence[FieldShape], rows: Examples) -> Iterator[Design]:
    """Yield the designs of all rows, block by block."""
    size = num_sampled(READ_ROWS, shapes, READ_ROWS)
    for start in range(0, len(rows.ids), size):
        yield design_of(shapes, _read(rows, slice(start, start + size)))


def _read(rows: Examples, index: slice | NDArray[np.int64]) -> Rows:
    """Return a copy of some rows, and release the pages of those around them."""
    all_rows = Rows(rows.ids, rows.labels, rows.values)
    copied = all_rows[index].each(np.array)
    for array in all_rows.arrays:
        release_pages(array)
    return copied


def design_of(shapes: Sequence[FieldShape], rows: Rows) -> Design:
    """Return rows as matrices, with the columns of a `FeatureEmbedding` of width 1.

    Raises:
        ValueError: if an id is out of range.
    """
    from scipy.sparse import csr_matrix  # here, since most of the package does without

    limits = np.repeat([s.cardinality for s in shapes], [s.num_slots for s in shapes])
    check_ids(rows.ids, limits)
    first_row: list[int] = []
    total = 0
    for shape in shapes:
        own = shape.shares_with is None
        first_row.append(total if own else first_row[shape.shares_with or 0])
        total += shape.cardinality if own else 0
    num_rows, num_slots = rows.ids.shape
    weights = np.ones((num_rows, num_slots))
    moving: list[NDArray[Any]] = []
    columns: NDArray[Any] = rows.ids.astype(np.int32 if total < 2**31 else np.int64)
    slot = column = 0
    for shape, first in zip(shapes, first_row, strict=True):
        slots = slice(slot, slot + shape.num_slots)
        columns[:, slots] += first
        if shape.num_slots > 1:
            weights[:, slots] = _shares(rows.ids[:, slots])
        if rows.values is not None and shape.has_value:
            weights[:, slot] = rows.values[:, column]
        elif rows.values is not None:
            moving += list(rows.values[:, column : column + shape.num_values].T)
        slot, column = slots.stop, column + shape.value_columns
    starts = np.arange(num_rows + 1) * num_slots
    table = csr_matrix((weights.ravel(), columns.ravel(), starts), shape=(num_rows, total))
    values = np.stack(moving, axis=1) if moving else np.empty((num_rows, 0))
    return Design(table, values.astype(np.float64))


def _shares(ids: NDArray[np.int32]) -> Sums:
    """Return the share of each slot in a mean over those that hold a value."""
    present = ids != MISSING_ID
    # With no value at all, the first slot, which holds MISSING_ID, stands for the row.
    present[:, 0] = present[:, 0] | ~present.any(axis=1)
    found: Sums = present / present.sum(axis=1, keepdims=True)
    return found
