"""The arrays of one part of prepared data, written piece by piece."""

from __future__ import annotations

import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ctrkit.data.encoding import Encoder
from ctrkit.data.storing.parts import IDS_FILE, LABELS_FILE, VALUES_FILE
from ctrkit.files import hex_crc32
from ctrkit.rows import Rows


class PartWriter(ExitStack):
    """New ``.npy`` files of a known number of rows; a context manager.

    Args:
        folder: where to write; it is made.
        num_rows: how many rows will be written.
        encoder: the encoder of the rows.
    """

    def __init__(self, folder: Path, num_rows: int, encoder: Encoder) -> None:
        super().__init__()
        folder.mkdir()
        self._files: list[BinaryIO] = []
        self._sums: dict[str, int] = {}
        num_slots = len(encoder.slot_limits)
        self._open(folder / IDS_FILE, np.dtype("<i4"), (num_rows, num_slots))
        self._open(folder / LABELS_FILE, np.dtype("u1"), (num_rows,))
        if encoder.num_values:
            self._open(folder / VALUES_FILE, np.dtype("<f4"), (num_rows, encoder.num_values))

    def _open(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        file = self.enter_context(path.open("wb"))
        self._files.append(file)
        self._sums[path.name] = 0
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

    def write(self, rows: Rows) -> None:
        """Append rows."""
        arrays = [array for array in (rows.ids, rows.labels, rows.values) if array is not None]
        for file, name, array in zip(self._files, self._sums, arrays, strict=True):
            if array.size:
                data = array.data.cast("B")
                file.write(data)
                self._sums[name] = zlib.crc32(data, self._sums[name])

    def checksums(self) -> dict[str, str]:
        """Return the CRC-32 of the numbers of each file so far, by its name."""
        return {name: hex_crc32(crc32) for name, crc32 in self._sums.items()}
