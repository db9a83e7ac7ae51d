"""One array in a ``.npy`` file, mapped into memory only where the file is what it should be."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ctrkit.files.checks import check_is_file, hex_crc32

MAX_HEADER_BYTES = 1024
"""NumPy reads a header as a Python literal, and a long one of a stranger takes memory."""

MAX_SIZE = 1 << 40
"""Of a dimension: more rows than any disk holds, and a size that NumPy can calculate with."""


def map_array(path: Path, dtype: str, ndim: int) -> npt.NDArray[Any]:
    """Return the array of a file, mapped and not read.

    Args:
        path: the file.
        dtype: what it must hold, ``"<i4"`` for example: never objects.
        ndim: number of dimensions it must have.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such array, or the file is longer or shorter than it says.
    """
    check_is_file(path)
    with path.open("rb") as file:
        shape, is_by_column, found = _read_header(file, path)
        offset = file.tell()
    wanted = np.dtype(dtype)
    if found != wanted or is_by_column or len(shape) != ndim:
        raise ValueError(
            f"{path} must hold {wanted} ({wanted.str}) in {ndim} dimensions, row by row, "
            f"got {found.str} of shape {shape}, fortran_order {is_by_column}"
        )
    num_bytes = math.prod(shape) * wanted.itemsize
    size = path.stat().st_size - offset
    if size != num_bytes:
        raise ValueError(
            f"{path} is damaged: shape {shape} takes {num_bytes:,} bytes, the file has {size:,}"
        )
    if num_bytes == 0:
        return np.empty(shape, dtype)
    return np.asarray(np.memmap(path, dtype, "r", offset, shape))


def _read_header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the array lies column by column, and type of its numbers."""
    try:
        if np.lib.format.read_magic(file) != (1, 0):  # later versions may have longer headers
            raise ValueError("another version")
        header = np.lib.format.read_array_header_1_0(file, max_header_size=MAX_HEADER_BYTES)
        if not all(type(size) is int and 0 <= size < MAX_SIZE for size in header[0]):
            raise ValueError(f"no shape: {header[0]}")
    # NumPy checks little of what it evaluates: a damaged header raises almost anything.
    except Exception as error:
        raise ValueError(f"{path} is damaged: it does not begin as a .npy file does") from error
    return header


def crc32_of(array: npt.NDArray[Any]) -> str:
    """Return the CRC-32 of an array's numbers; 4 GB take a second."""
    return hex_crc32(zlib.crc32(np.ascontiguousarray(array).data))
