"""The order of an epoch's rows: all of them shuffled, or blocks of neighbours in pools."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ctrkit.machine import memory_bytes, read_stretches
from ctrkit.rows import Rows
from ctrkit.training.input.prefetch import read_ahead

LARGEST_SHARE = 0.5
"""Share of the memory up to which ``shuffle="auto"`` lets training rows come one by one; the
system keeps them in its cache, which must leave room for the model and its optimizer."""

BLOCK_BYTES = 256 << 10
"""Size of a block: enough that a disk reads it about as fast as it can."""

POOL_BYTES = 128 << 20
"""Size of a pool, the order of its rows counted; two are in memory at a time."""

POSITION_BYTES = np.dtype(np.int64).itemsize


Pool = tuple[Rows, NDArray[np.int64]]
"""Rows that are shuffled together, and the positions in them of the first, second ... row."""


class Order(ABC):
    """Cuts training rows into the batches of an epoch; every row comes once. Abstract.

    All batches have `batch_size` rows, except the last one. Which rows a batch has follows from
    the seed, the epoch and its number, so that a run can resume where another stopped.

    Args:
        rows: the training rows.
        batch_size: rows of a batch.
        seed: with the epoch, it alone decides the order.

    Attributes:
        name: what ``TrainConfig.shuffle`` calls it.
    """

    name: str

    def __init__(self, rows: Rows, *, batch_size: int, seed: int) -> None:
        self.rows = rows
        self.num_rows = len(rows)
        self.batch_size = batch_size
        self.seed = seed

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[Rows]:
        """Yield the batches of an epoch, from batch number `first` on, which counts from 0."""
        for rows, positions in self._pools(epoch, first * self.batch_size):
            for start in range(0, len(positions), self.batch_size):
                yield rows[positions[start : start + self.batch_size]]

    @abstractmethod
    def _pools(self, epoch: int, first_row: int) -> Iterator[Pool]:
        """Yield the rows of an epoch from the one that comes as number `first_row` on.

        Every pool but the last has whole batches.
        """


class RowOrder(Order):
    """One permutation of all rows, each read where it lies; it takes 8 bytes a row.

    Made for rows that the system keeps in memory once they were read. From a disk, every row
    would be a read of its own.
    """

    name = "rows"

    def _pools(self, epoch: int, first_row: int) -> Iterator[Pool]:
        positions = np.random.default_rng((self.seed, epoch)).permutation(self.num_rows)
        yield self.rows, positions[first_row:]


class BlockOrder(Order):
    """Blocks of neighbouring rows in random order, cut into pools whose rows are shuffled.

    A pool is read into memory while the one before it is used, so memory does not grow with the
    number of rows (but for 24 bytes a block), and every read is a long one. A batch draws from
    all blocks of its pool: hundreds of places, spread over the whole file.

    Args:
        rows: the training rows, at least one.
        batch_size: rows of a batch.
        seed: with the epoch, it alone decides the order.
        block_bytes: size of a block, which has at least one row.
        pool_bytes: largest size of a pool, which has at least one batch.
    """

    name = "blocks"

    def __init__(
        self,
        rows: Rows,
        *,
        batch_size: int,
        seed: int,
        block_bytes: int,
        pool_bytes: int,
    ) -> None:
        super().__init__(rows, batch_size=batch_size, seed=seed)
        row_bytes = rows.num_bytes // self.num_rows
        self.block_rows = max(1, block_bytes // row_bytes)
        pool_batches = pool_bytes // (batch_size * (row_bytes + POSITION_BYTES))
        self.pool_rows = batch_size * max(1, pool_batches)

    def _pools(self, epoch: int, first_row: int) -> Iterator[Pool]:
        return read_ahead(self._read_pools(epoch, first_row))

    def _read_pools(self, epoch: int, first_row: int) -> Iterator[Pool]:
        starts = np.arange(0, self.num_rows, self.block_rows)
        np.random.default_rng((self.seed, epoch)).shuffle(starts)
        stops = np.minimum(starts + self.block_rows, self.num_rows)
        first_pool = first_row // self.pool_rows
        for number in range(first_pool, -(-self.num_rows // self.pool_rows)):
            begin = number * self.pool_rows
            end = min(begin + self.pool_rows, self.num_rows)
            seed = np.random.SeedSequence((self.seed, epoch), spawn_key=(number,))
            positions = np.random.default_rng(seed).permutation(end - begin)
            # Read without giving it a name, which would keep this pool while the next is read.
            yield (
                self._read(_stretches(starts, stops, begin, end)),
                positions[max(0, first_row - begin) :],
            )

    def _read(self, stretches: list[slice]) -> Rows:
        """Return a copy of stretches of rows, one after the other."""
        return self.rows.each(lambda array: read_stretches(array, stretches))


def _stretches(
    starts: NDArray[np.int64], stops: NDArray[np.int64], begin: int, end: int
) -> list[slice]:
    """Return where rows `begin` to `end` of some blocks, laid end to end, lie in the file."""
    ends = np.cumsum(stops - starts)
    first, last = np.searchsorted(ends, [begin, end - 1], side="right")
    starts, stops, ends = (each[first : last + 1].copy() for each in (starts, stops, ends))
    starts[0] = stops[0] - (ends[0] - begin)
    stops[-1] -= ends[-1] - end
    # Forwards through the file; their rows are shuffled anyway.
    return [slice(*stretch) for stretch in sorted(zip(starts, stops, strict=True))]


def chosen_shuffle(shuffle: str, num_bytes: int) -> str:
    """Return the order that a ``TrainConfig.shuffle`` means for training rows of a size.

    ``"auto"`` takes blocks where rows would not stay in memory.
    """
    if shuffle != "auto":
        return shuffle
    memory = memory_bytes()
    return "blocks" if memory is not None and num_bytes > LARGEST_SHARE * memory else "rows"


def choose_order(shuffle: str, rows: Rows, *, batch_size: int, seed: int) -> Order:
    """Return the order of that name.

    Args:
        shuffle: see ``TrainConfig.shuffle``.
        rows: the training rows, at least one.
        batch_size: rows of a batch.
        seed: with the epoch, it alone decides the order.
    """
    if chosen_shuffle(shuffle, rows.num_bytes) == "rows":
        return RowOrder(rows, batch_size=batch_size, seed=seed)
    return BlockOrder(
        rows, batch_size=batch_size, seed=seed, block_bytes=BLOCK_BYTES, pool_bytes=POOL_BYTES
    )
