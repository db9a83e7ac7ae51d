"""One array in a ``.npy`` file, mapped into memory only where the file is what it should be."""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrkit.files.checks import check_is_file, hex_crc32

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([ -&(-~]{0,32})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,12}(?:, ?|(?=\))))*)\), \} *\n",
    flags=re.DOTALL,
)
"""A header as NumPy writes it. NumPy reads it as a literal of Python: here nothing is evaluated."""

_MAX_HEADER_BYTES = 1024


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
    shape, offset = _read_header(path, dtype, ndim)
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.asarray(np.memmap(path, dtype, "r", offset, shape))


def _read_header(path: Path, dtype: str, ndim: int) -> tuple[tuple[int, ...], int]:
    """Return the shape, which fits the size of the file, and where the numbers begin."""
    check_is_file(path)
    with path.open("rb") as file:
        start = file.read(_MAX_HEADER_BYTES)
    found = _HEADER.match(start)
    if found is None:
        raise ValueError(f"{path} is damaged: it does not begin as a .npy file does")
    kind, order, sizes = (part.decode() for part in found.groups())
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    wanted = np.dtype(dtype)
    if kind != wanted.str or order != "False" or len(shape) != ndim:
        raise ValueError(
            f"{path} must hold {wanted} ({wanted.str}) in {ndim} dimensions, row by row, "
            f"got {kind} of shape {shape}, fortran_order {order}"
        )
    offset = found.end()
    num_bytes = math.prod(shape) * wanted.itemsize
    size = path.stat().st_size - offset
    if size != num_bytes:
        raise ValueError(
            f"{path} is damaged: shape {shape} takes {num_bytes:,} bytes, the file has {size:,}"
        )
    return shape, offset


def crc32_of(array: npt.NDArray[Any]) -> str:
    """Return the CRC-32 of an array's numbers; 4 GB take a second."""
    return hex_crc32(zlib.crc32(np.ascontiguousarray(array).data))
