"""Cells of frames and Parquet files as the texts that a CSV would hold."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_hashable, is_scalar

from ctrkit.data.columns import Column, Tokens, smallest
from ctrkit.data.reading import limits
from ctrkit.data.reading.bad_rows import BadRow
from ctrkit.options import shown

_EXACT_WHOLE = 1 << 53

_EQUAL_ALIKE = ("string", "integer", "floating", "boolean", "empty")
"""Kinds of objects that have the same text where they are equal; the decimals 1.0 and 1.00, or
moments in two time zones, have not."""


def column_of(series: pd.Series[Any], separator: str | None) -> Column:
    """Return a column of a frame as texts.

    Args:
        series: the cells.
        separator: of a multi-valued column, whose lists are joined by it; None for any other.

    Raises:
        ValueError, TypeError, NotImplementedError: if a cell is no text, see `bad_cells`.
    """
    if series.dtype == np.longdouble:
        series = series.astype(np.float64)
    if separator is not None and holds_objects(series):
        series = series.astype(object).map(lambda cell: _join(cell, separator))
    if series.dtype == object and infer_dtype(series) not in _EQUAL_ALIKE:
        series = pd.Series([_single_text(cell) for cell in series], dtype=object)
    codes, distinct = pd.factorize(series)
    texts = _texts_of(distinct)
    for text in texts:
        _check_length(text)
    missing = codes < 0
    if missing.any():
        codes = np.where(missing, len(texts), codes)
        texts.append("")
    return Column(smallest(codes, len(texts)), Tokens.from_texts(texts))


def _texts_of(distinct: Any) -> list[str]:
    """Return the texts of distinct cells, as `pandas.factorize` returns them."""
    dtype = distinct.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _texts_of(distinct.categories.take(distinct.codes))
    if dtype.kind == "f":
        # A NumPy float prints with the digits of its own precision, a Python float with more.
        plain = getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))
        numbers = np.asarray(distinct, dtype=plain)
        if plain == np.float16:  # pandas and Parquet widen it, each at another moment
            numbers = numbers.astype(np.float32)
        return list(map(text_of, numbers.tolist() if plain == np.float64 else numbers))
    if dtype.kind in "iu":
        return list(map(str, distinct.tolist()))
    return list(map(text_of, distinct.tolist()))


def _single_text(cell: Any) -> str:
    is_missing = cell.is_nan() if isinstance(cell, Decimal) else is_scalar(cell) and pd.isna(cell)
    if is_missing:
        return ""
    if not is_hashable(cell):
        raise TypeError(f"cells must hold single values, got a {type(cell).__name__}")
    return text_of(cell)


def bad_cells(
    name: str, cells: pd.Series[Any], separator: str | None, error: Exception
) -> Iterator[BadRow]:
    """Yield the rows for which `column_of` raises an error."""
    has_found = False
    for row, cell in enumerate(cells):
        try:
            value: Any = cell if separator is None else _join(cell, separator)
            if is_hashable(value):
                text = text_of(value)
                _check_length(text)
                Tokens.from_texts([text])
                continue
            reason = (
                f" must hold single values, got a {type(value).__name__}; join it into one text, "
                'or give the field kind "multivalued"'
            )
        except (ValueError, TypeError) as wrong:
            reason = f": {wrong}"
        has_found = True
        yield BadRow(row, row + 1, f"column {name}{reason}")
    if not has_found:
        yield BadRow(0, len(cells), f"column {name}: {error}")


def _check_length(text: str) -> None:
    if limits.is_too_long(text):
        most = limits.shown_size(limits.MAX_CELL_BYTES)
        raise ValueError(f"a cell must have at most {most}, got {shown(text)}")


def holds_objects(series: pd.Series[Any]) -> bool:
    """Return whether the cells may be lists."""
    return series.dtype == object or isinstance(series.dtype, pd.ArrowDtype)


def exact_text(cell: Any) -> str:
    """Return a text that differs if cells do; ``repr`` of a long array omits numbers."""
    if isinstance(cell, np.ndarray):
        return f"{cell.dtype}{exact_text(cell.tolist())}"
    if isinstance(cell, (list, tuple)):
        return f"[{', '.join(map(exact_text, cell))}]"
    return repr(cell)


def _join(cell: Any, separator: str) -> Any:
    """Return the items of a list in one text; any other cell as it is.

    Raises:
        ValueError: if an item holds the separator, so that it would be split again.
        TypeError: if an item is a list itself.
    """
    if not isinstance(cell, (list, tuple, np.ndarray)):
        return cell
    texts = []
    for item in cell:
        if isinstance(item, tuple) or not is_hashable(item):
            raise TypeError(f"items of a list must be single values, got a {type(item).__name__}")
        text = text_of(item)
        if separator in text:
            raise ValueError(
                f"item {shown(text)} of a list must not hold the separator {separator!r}; "
                "choose another separator in the schema"
            )
        texts.append(text)
    return separator.join(texts)


def text_of(value: Any) -> str:
    """Return a cell of a frame as the text that a CSV would hold.

    Example:
        >>> [text_of(value) for value in (3.0, 0.5, True, None, "a")]
        ['3', '0.5', '1', '', 'a']
    """
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return ""
        number = float(value)
        is_whole = number.is_integer() and abs(number) < _EXACT_WHOLE
        return str(int(number)) if is_whole else str(value)
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return ""
    if isinstance(value, (np.datetime64, np.timedelta64)) and np.isnat(value):
        return ""
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8")
    # Such a text has the object's address in memory, which differs between processes.
    has_no_text = f" at {hex(id(value))}" in repr(value)
    if has_no_text or isinstance(value, (complex, np.complexfloating)):
        raise TypeError(f"cells must hold texts, numbers or times, got a {type(value).__name__}")
    return str(value)
