"""Arrays in a temporary file, because all of them together do not fit into memory."""

from __future__ import annotations

import math
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


class Spill:
    """A new file of arrays; a context manager.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, array: npt.NDArray[Any]) -> Stored:
        """Write an array and return where it lies."""
        stored = Stored(self._path, self._file.tell(), array.dtype, array.shape)
        self._file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
        return stored
