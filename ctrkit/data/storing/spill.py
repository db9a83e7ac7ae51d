"""Arrays in a temporary file, because all of them together do not fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an array lies."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def read(self) -> npt.NDArray[Any]:
        """Return the array."""
        found = np.fromfile(self.path, dtype=self.dtype, count=self.size, offset=self.offset)
        return found.reshape(self.shape)


@contextmanager
def spill(path: Path) -> Iterator[Callable[[npt.NDArray[Any]], Stored]]:
    """Make a file of arrays; yields a function that writes one and returns where it lies."""
    with path.open("wb") as file:

        def put(array: npt.NDArray[Any]) -> Stored:
            stored = Stored(path, file.tell(), array.dtype, array.shape)
            file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
            return stored

        yield put
