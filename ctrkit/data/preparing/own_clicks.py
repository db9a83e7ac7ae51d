"""The history of training rows, which must not see their own clicks.

``"folds"``
    A row sees the clicks of all training rows but those of its fold: a tenth of its block.
``"time"``
    A row sees what came before it: rows with an earlier time; or, in a log whose order is its time
    (split ``"last"``), the rows before it. As it would have been on that day, but early rows know
    little.

New rows, and those of validation and test, see all training rows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit.data.columns import mix
from ctrkit.data.encoding import ClickCounts, Encoder, category_cells, history_keys
from ctrkit.data.preparing.combining import cells_of_combined
from ctrkit.data.preparing.passes import CountedBlock, OwnHistory
from ctrkit.data.storing import Stored, spill
from ctrkit.machine import Workers

NUM_FOLDS = 10

Values = npt.NDArray[np.float32]
Moments = npt.NDArray[np.float64]


def own_histories(
    workers: Workers, blocks: Sequence[CountedBlock], encoder: Encoder, order: str, folder: Path
) -> Sequence[OwnHistory | None]:
    """Return, of each block, what gives its training rows a history without their own clicks.

    Args:
        workers: threads that count.
        blocks: all blocks, in the order of the log.
        encoder: the encoder.
        order: ``"folds"`` or ``"time"``.
        folder: for temporary files.

    Raises:
        ValueError: if the order is ``"time"`` and the log is not in it.
    """
    names = list(encoder.histories)
    if not names:
        return [None] * len(blocks)
    if order == "folds":
        return [set_history_out_of_fold] * len(blocks)
    tasks = (functools.partial(counts_before, blocks, encoder, name, folder) for name in names)
    before = zip(*workers.in_order(tasks), strict=True)
    return [
        functools.partial(set_history_before, dict(zip(names, stored, strict=True)))
        for stored in before
    ]


def folds_of(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the fold of each row, by its position in its block."""
    return (mix(positions.astype(np.uint64)) % np.uint64(NUM_FOLDS)).astype(np.int64)


def set_history_out_of_fold(counted: CountedBlock, encoder: Encoder, values: Values) -> None:
    """Set the history of the training rows of a block, each without the rows of its fold.

    Args:
        counted: the block.
        encoder: the encoder.
        values: of all its rows ``(num_rows, V)``, changed in place.
    """
    training = np.flatnonzero(counted.parts.read() == 0)
    labels = counted.block.labels.read()[training].astype(np.float64)
    folds = folds_of(training)
    cells = cells_of_combined(counted, encoder.schema)
    for name, columns in encoder.history_columns.items():
        here = category_cells(name, cells, encoder.statistics)
        total = encoder.histories[name].click_counts.counts_of(history_keys(here.keys))
        codes = here.codes[training].astype(np.int64)
        pairs, distinct = pd.factorize(codes * NUM_FOLDS + folds)
        own = np.stack([np.bincount(pairs), np.bincount(pairs, labels)], axis=1)
        # A category that the click counts leave out has no rows to take away from.
        everywhere = total[distinct // NUM_FOLDS]
        counts = np.maximum(everywhere - own.astype(np.int64), 0)
        # How often a category was seen gives no click away: only the row itself is left out, or
        # training rows would have fewer than new ones.
        seen = np.maximum(everywhere[:, 0] - 1, 0)
        values[training, columns] = encoder.histories[name].values(counts, seen)[pairs]


def counts_before(
    blocks: Sequence[CountedBlock], encoder: Encoder, name: str, folder: Path
) -> list[Stored]:
    """Count, for each training row, the rows and clicks of its category before it.

    Args:
        blocks: all blocks, in the order of the log.
        encoder: the encoder.
        name: a field with a history.
        folder: for temporary files.

    Returns:
        The counts ``(training rows, 2)`` of each block.

    Raises:
        ValueError: if the blocks are not in the order of time.
    """
    field = encoder.field_names.index(name)
    so_far = _SoFar(encoder.histories[name].click_counts)
    stored = []
    for number, counted in enumerate(blocks):
        training = np.flatnonzero(counted.parts.read() == 0)
        here = category_cells(name, cells_of_combined(counted, encoder.schema), encoder.statistics)
        places = so_far.click_counts.positions(history_keys(here.keys))[here.codes[training]]
        labels = counted.block.labels.read()[training].astype(np.int64)
        if counted.block.times is None:
            moments = so_far.next_moment + np.arange(len(training), dtype=np.float64)
        else:
            moments = counted.block.times.read()[training]
        with spill(folder / f"before-{field:05d}-{number:06d}") as put:
            stored.append(put(so_far.before(places, labels, moments)))
    return stored


def set_history_before(
    before: Mapping[str, Stored], counted: CountedBlock, encoder: Encoder, values: Values
) -> None:
    """Set the history of the training rows of a block to what came before each of them.

    Args:
        before: the block's counts of each field with a history, see `counts_before`.
        counted: the block.
        encoder: the encoder.
        values: of all its rows ``(num_rows, V)``, changed in place.
    """
    training = np.flatnonzero(counted.parts.read() == 0)
    for name, columns in encoder.history_columns.items():
        values[training, columns] = encoder.histories[name].values(before[name].read())


class _SoFar:
    """Rows and clicks so far of each category; those of the latest moment apart."""

    def __init__(self, click_counts: ClickCounts) -> None:
        self.click_counts = click_counts
        # The last place, -1, is that of all categories that the click counts leave out.
        self._earlier = np.zeros((len(click_counts) + 1, 2), dtype=np.int64)
        self._latest = np.zeros_like(self._earlier)
        self._moment = -np.inf

    @property
    def next_moment(self) -> float:
        """The moment of the next row, where rows have no time."""
        return max(self._moment + 1, 0.0)

    def before(
        self, places: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], moments: Moments
    ) -> npt.NDArray[np.int64]:
        """Return ``(N, 2)`` rows and clicks earlier than each of some rows, and add these.

        Args:
            places: ``(N,)`` of the rows' categories, -1 for one that is not counted.
            labels: ``(N,)``.
            moments: ``(N,)`` times, in any order, but not before those of the rows added before.
        """
        found = np.zeros((len(places), 2), dtype=np.int64)
        if not len(places):
            return found
        if moments.min() < self._moment:
            raise ValueError(
                "history_order 'time' needs a log in the order of time, got a row with time "
                f"{moments.min():.0f} after one with {self._moment:.0f}; sort it, or use 'folds'"
            )
        order = np.lexsort((moments, places))
        place, moment = places[order], moments[order]
        is_first = np.append(True, place[1:] != place[:-1])
        begins = is_first | np.append(True, moment[1:] != moment[:-1])
        positions = np.arange(len(order))
        first = np.maximum.accumulate(np.where(is_first, positions, 0))
        begin = np.maximum.accumulate(np.where(begins, positions, 0))
        clicks = np.append(0, np.cumsum(labels[order]))
        here = np.stack([begin - first, clicks[begin] - clicks[first]], axis=1)
        is_later = (moment > self._moment)[:, None]
        found[order] = here + self._earlier[place] + is_later * self._latest[place]
        found[places < 0] = 0
        self._add(places, labels, moments)
        return found

    def _add(
        self, places: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], moments: Moments
    ) -> None:
        rows = np.stack([np.ones_like(labels), labels], axis=1)
        if moments.max() > self._moment:
            self._earlier += self._latest
            self._latest[:] = 0
            self._moment = float(moments.max())
        is_latest = moments == self._moment
        np.add.at(self._earlier, places[~is_latest], rows[~is_latest])
        np.add.at(self._latest, places[is_latest], rows[is_latest])
