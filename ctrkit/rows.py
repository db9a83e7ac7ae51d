"""`Rows`: encoded rows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
"""Clicks ``(N,)``, 0 or 1."""


@dataclass(frozen=True)
class Rows:
    """Encoded rows.

    Args:
        ids: ``(N, S)`` int32, the slots of the fields side by side.
        values: ``(N, V)`` float32, one column per numeric field; None where there is none.
        labels: ``(N,)`` uint8; None where they are unknown.
    """

    ids: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32] | None = None
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: slice | npt.NDArray[Any]) -> Rows:
        return Rows(
            self.ids[index],
            None if self.values is None else self.values[index],
            None if self.labels is None else self.labels[index],
        )


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Return rows one after the other."""
    if len(parts) == 1:
        return parts[0]
    values = [part.values for part in parts if part.values is not None]
    labels = [part.labels for part in parts if part.labels is not None]
    return Rows(
        np.concatenate([part.ids for part in parts]),
        np.concatenate(values) if values else None,
        np.concatenate(labels) if labels else None,
    )
