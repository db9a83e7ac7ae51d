"""`Rows`: the one form of encoded rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]
"""Clicks ``(N,)``, 0 or 1."""

Index = slice | NDArray[Any]
"""Some of the rows: a slice shares memory with all of them, positions make a copy."""


@dataclass(frozen=True)
class Rows:
    """Encoded rows, in memory or mapped from files: an entry per row in each array.

    Args:
        ids: ``(N, S)`` int32, the slots of the fields side by side.
        labels: ``(N,)`` 0 or 1; None if unknown.
        values: ``(N, V)`` float32, one column per field kept as a number; None if there is none.
        targets: ``(N,)`` float32, what a loss compares logits with; None for the labels alone.

    Example:
        >>> rows = Rows(np.array([[2, 3], [0, 1]], np.int32), labels=np.array([1, 0], np.uint8))
        >>> len(rows), rows[1:].ids.tolist()
        (2, [[0, 1]])
    """

    ids: NDArray[np.int32]
    labels: NDArray[Any] | None = None
    values: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Index) -> Rows:
        return self.each(lambda array: array[index])

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The arrays that are not None."""
        found = (self.ids, self.labels, self.values, self.targets)
        return tuple(array for array in found if array is not None)

    @property
    def num_bytes(self) -> int:
        """Size of all arrays together."""
        return sum(array.nbytes for array in self.arrays)

    def each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Rows:
        """Return the rows that `change` makes of each array."""
        return Rows(
            change(self.ids),
            None if self.labels is None else change(self.labels),
            None if self.values is None else change(self.values),
            None if self.targets is None else change(self.targets),
        )


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Return rows one after the other; all parts have the same arrays."""
    if len(parts) == 1:
        return parts[0]

    def joined(name: str) -> NDArray[Any] | None:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    ids = np.concatenate([part.ids for part in parts])
    return Rows(ids, joined("labels"), joined("values"), joined("targets"))
