"""Arrays from a user: checked for their kind, shape and content before any work begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ctrkit.options import shown

Array = npt.NDArray[Any]

REAL_KINDS = "biuf"
"""NumPy's letters for booleans, whole numbers and floats."""

ID_TYPES = (np.dtype(np.int32), np.dtype(np.int64))
VALUE_TYPES = (np.dtype(np.float32), np.dtype(np.float64))

BLOCK_NUMBERS = 1 << 18
"""Content is checked by so many numbers, which stay in a processor's cache."""


def plain_array(name: str, given: Any) -> Array:
    """Return a user's list, array or pandas Series as an array.

    Raises:
        ValueError: if entries are masked or missing.
    """
    _refuse_masked(name, given)
    dtype = getattr(given, "dtype", None)
    is_pandas = hasattr(given, "isna") and not isinstance(dtype, np.dtype)
    if is_pandas:
        missing = int(np.count_nonzero(np.asarray(given.isna())))
        if missing:
            raise ValueError(f"{name} must have no missing values, got {missing}")
    # Without this, a nullable column of pandas would become Python objects.
    try:
        return np.asarray(given, dtype=getattr(dtype, "numpy_dtype", None) if is_pandas else None)
    except RuntimeError as error:  # of a tensor that takes part in gradients, or of a device
        raise TypeError(
            f"{name} must be an array, got a {type(given).__name__}: {error}"
        ) from error


def real_array(name: str, given: Any) -> Array:
    """Return booleans, whole numbers or floats as an array.

    Raises:
        TypeError: if they are of another kind: complex numbers, texts, times, objects.
        ValueError: if entries are masked or missing.
    """
    array = plain_array(name, given)
    if array.dtype.kind not in REAL_KINDS:
        raise TypeError(f"{name} must be real numbers, got {_kind_of(array)}")
    return array


def check_labels(name: str, labels: Array) -> None:
    """Check that all labels are numbers, 0 or 1.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if one is neither 0 nor 1.
    """
    if labels.dtype.kind not in REAL_KINDS:
        raise TypeError(f"{name} must be numbers, 0 or 1, got {_kind_of(labels)}")
    for start in range(0, len(labels), BLOCK_NUMBERS):
        block = labels[start : start + BLOCK_NUMBERS]
        if np.count_nonzero(block == 0) + np.count_nonzero(block == 1) < len(block):
            row = int(np.argmax((block != 0) & (block != 1)))
            raise ValueError(
                f"{name} must be 0 or 1, got {block[row].item()!r} in row {start + row}"
            )


def check_row_arrays(of: str, ids: Any, labels: Any, values: Any) -> None:
    """Check that arrays are encoded rows by their types and shapes; no row is read.

    Args:
        of: whose rows they are, for messages: ``" of the training rows"``, or nothing.
        ids: ``(N, S)`` int32 or int64.
        labels: ``(N,)``; None if there are none.
        values: ``(N, V)`` float32 or float64, or None.

    Raises:
        TypeError: if one is no array, or of another type.
        ValueError: if the shapes do not fit together.
    """
    _check_array(f"ids{of}", ids, ID_TYPES)
    if ids.ndim != 2:
        raise ValueError(f"ids{of} must have shape (N, S), got {ids.shape}")
    if labels is not None:
        _check_array(f"labels{of}", labels)
        if labels.shape != (len(ids),):
            raise ValueError(
                f"labels{of} must have shape ({len(ids)},), one per row of ids, got {labels.shape}"
            )
    if values is not None:
        _check_array(f"values{of}", values, VALUE_TYPES)
        if values.ndim != 2 or len(values) != len(ids):
            raise ValueError(f"values{of} must have shape ({len(ids)}, V), got {values.shape}")


def check_finite(name: str, values: Array) -> None:
    """Check that every number of ``(N,)`` or ``(N, V)`` is finite.

    Raises:
        ValueError: if one is not; names the row.
    """
    rows = max(1, BLOCK_NUMBERS // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        is_finite = np.isfinite(values[start : start + rows])
        if not is_finite.all():
            at = tuple(int(place[0]) for place in np.nonzero(~is_finite))
            row, *column = at
            bad = values[(start + row, *column)]
            where = f"row {start + row}" + (f", column {column[0]}" if column else "")
            raise ValueError(f"{name} must be finite, got {bad} in {where}")


def _check_array(name: str, given: Any, types: tuple[np.dtype[Any], ...] = ()) -> None:
    if not isinstance(given, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(given).__name__}")
    _refuse_masked(name, given)
    if types and given.dtype not in types:
        wanted = " or ".join(str(dtype) for dtype in types)
        raise TypeError(f"{name} must be {wanted}, got {_kind_of(given)}")


def _refuse_masked(name: str, given: Any) -> None:
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        num_masked = np.count_nonzero(np.ma.getmaskarray(given))
        raise ValueError(f"{name} must have no masked values, got {num_masked}")


def _kind_of(array: Array) -> str:
    if array.dtype.kind == "O":
        first = f", the first of which is {shown(array.flat[0])}" if array.size else ""
        return f"Python objects{first}"
    return f"{array.dtype}"
