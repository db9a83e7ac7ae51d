"""Columns of text into what fields are made of: categories, and numbers.

This is the one place where cells are understood, for training and for serving.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit.data.schema import (
    CATEGORICAL,
    DEFAULT_MAX_SLOTS,
    DEFAULT_SEPARATOR,
    DROPPED,
    INTEGER,
    MULTIVALUED,
    NUMERIC,
    TIMESTAMP,
    Field,
    ModelField,
    Schema,
)
from ctrkit.data.table import Table
from ctrkit.data.tokens import MISSING_KEY, Column, Integers, Keys, Tokens, smallest

NO_TOKEN = -1

LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""The largest number that a value can be."""

Labels = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TokenCells:
    """A field of categories: row n holds cell ``codes[n]``.

    Args:
        codes: ``(N,)`` cells of the rows.
        keys: ``(T,)`` keys of the distinct categories.
        slots: ``(cells, K)`` categories of each cell of a multi-valued field, filled up with
            `NO_TOKEN`; None where cell t is category t.
    """

    codes: npt.NDArray[np.integer]
    keys: Keys
    slots: npt.NDArray[np.int32] | None = None


@dataclass(frozen=True)
class NumberCells:
    """A field of numbers: row n holds ``numbers[codes[n]]``, NaN where missing."""

    codes: npt.NDArray[np.integer]
    numbers: npt.NDArray[np.float64]


Cells = TokenCells | NumberCells


def num_slots(field: Field) -> int:
    """Return the number of id columns of a field."""
    return (field.max_slots or DEFAULT_MAX_SLOTS) if field.kind == MULTIVALUED else 1


def labels_of(table: Table, name: str) -> Labels:
    """Return the labels of the rows, ``(N,)``.

    Raises:
        ValueError: if a label is not 0 or 1, naming file and line.
    """
    column = table.columns[name]
    texts = column.tokens.texts()
    value = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
    found = np.array([value.get(text, 2) for text in texts], dtype=np.uint8)
    if (found == 2).any():
        table.refuse(name, found == 2, "0 or 1")
    labels: Labels = found[column.codes]
    return labels


def cells_of(table: Table, schema: Schema) -> Iterator[tuple[Cells, Tokens]]:
    """Return the cells of every field of the model, in order, with the texts of its categories.

    Raises:
        ValueError: if a cell is not what its field says, naming file, line and column.
    """
    none = Tokens.from_bytes([])
    number = "a finite number or empty"
    cached: tuple[str, npt.NDArray[np.int64]] = ("", np.empty(0, dtype=np.int64))
    for model_field in schema.model_fields:
        field = model_field.source
        column = table.columns[field.name]
        if field.kind == CATEGORICAL:
            yield TokenCells(column.codes, column.tokens.keys), column.tokens
        elif field.kind == INTEGER:
            yield _categories(column.codes, _buckets(table, field.name))
        elif field.kind == TIMESTAMP:
            if cached[0] != field.name:
                cached = (field.name, _seconds(table, field))
            yield _categories(column.codes, _part(model_field, cached[1]))
        elif field.kind == NUMERIC:
            numbers = _numbers(table, field.name, number)
            large = np.abs(numbers) > LARGEST_NUMBER
            if large.any():
                table.refuse(field.name, large, f"at most {LARGEST_NUMBER:.1e} in size, or empty")
            yield NumberCells(column.codes, numbers), none
        else:
            yield _split(column, field)


def times_of(table: Table, field: Field) -> Times:
    """Return the time of every row, ``(N,)``, for a split by time.

    Raises:
        ValueError: if a cell is missing or no time, naming file, line and column.
    """
    column = table.columns[field.name]
    missing = column.tokens.keys == MISSING_KEY
    if missing[column.codes].any():
        table.refuse(field.name, missing, "given where a split by time needs it")
    if field.kind == TIMESTAMP or (field.kind == DROPPED and field.time_format is not None):
        distinct = _seconds(table, field).astype(np.float64)
    else:
        must = 'a number, or of kind "timestamp", where a split by time needs it'
        distinct = _numbers(table, field.name, must)
    times: Times = distinct[column.codes]
    return times


def _categories(codes: Integers, values: npt.NDArray[np.int64]) -> tuple[TokenCells, Tokens]:
    """Return the cells of whole numbers, of which `_NONE` is the missing one."""
    distinct, inverse = np.unique(values, return_inverse=True)
    tokens = Tokens.from_texts(
        ["" if value == _NONE else str(value) for value in distinct.tolist()]
    )
    return TokenCells(smallest(inverse, len(distinct))[codes], tokens.keys), tokens


_NONE = np.iinfo(np.int64).min
_WHOLE_LIMIT = 1 << 62


def is_whole(text: str) -> bool:
    """Return whether a text spells a whole number."""
    return _whole(text) is not None


def is_number(text: str) -> bool:
    """Return whether a text spells a finite number."""
    return bool(np.isfinite(_number(text)))


def _whole(text: str) -> int | None:
    """Return the whole number that a text spells, `_NONE` for no text and None for any other."""
    if not text:
        return int(_NONE)
    digits = text[1:] if text[0] in "+-" else text
    # int() alone would take "1_000", " 7" and digits of other scripts.
    if not (digits.isdigit() and digits.isascii()):
        return None
    value = int(text) if len(digits) < 20 else _WHOLE_LIMIT
    return value if abs(value) < _WHOLE_LIMIT else None


def _whole_numbers(table: Table, name: str, must: str) -> npt.NDArray[np.int64]:
    tokens = table.columns[name].tokens
    values, bad = _short_whole_numbers(tokens.keys)
    for at, text in zip(tokens.long_at.tolist(), tokens.long_texts(), strict=True):
        value = _whole(text.decode())
        bad[at] = value is None
        values[at] = value or 0
    if bad.any():
        table.refuse(name, bad, must)
    return values


def _short_whole_numbers(keys: Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Do what `_whole` does for texts of at most eight bytes; return numbers, and which are none.

    There is a number or so in every row, too many for a loop in Python.
    """
    characters = keys.astype("<u8").view(np.uint8).reshape(-1, 8)
    digits = characters - np.uint8(ord("0"))  # wraps around below "0"
    is_digit = digits < 10
    is_minus = characters[:, 0] == ord("-")
    has_sign = is_minus | (characters[:, 0] == ord("+"))
    values = np.zeros(len(keys), dtype=np.int64)
    for place in range(8):
        shifted = values * 10 + digits[:, place]
        values = np.where(is_digit[:, place], shifted, values)
    values = np.where(is_minus, -values, values)
    num_digits = is_digit.sum(axis=1)
    good = (num_digits > 0) & (num_digits + has_sign == (characters != 0).sum(axis=1))
    missing = keys == MISSING_KEY
    return np.where(missing, _NONE, values), ~(good | missing)


def _buckets(table: Table, name: str) -> npt.NDArray[np.int64]:
    return log_squared_bucket(_whole_numbers(table, name, "a whole number or empty"))


def log_squared_bucket(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return v for v <= 2, else ``ceil(ln(v)**2 + 1)``: what becomes of an integer.

    Example:
        >>> log_squared_bucket(np.array([-1, 2, 3, 1000]))
        array([-1,  2,  3, 49])
    """
    buckets = values.copy()
    large = values > 2
    logs = np.log(values[large].astype(np.float64))
    buckets[large] = np.ceil(logs * logs + 1).astype(np.int64)
    return buckets


def _numbers(table: Table, name: str, must: str) -> npt.NDArray[np.float64]:
    texts = table.columns[name].tokens.texts()
    numbers = np.array([_number(text) for text in texts], dtype=np.float64)
    bad = ~np.isfinite(numbers) & (table.columns[name].tokens.keys != MISSING_KEY)
    if bad.any():
        table.refuse(name, bad, must)
    return numbers


def _number(text: str) -> float:
    try:
        return float("nan" if "_" in text else text)  # Python alone takes "1_000"
    except ValueError:
        return float("nan")


def _seconds(table: Table, field: Field) -> npt.NDArray[np.int64]:
    """Return seconds since 1970 (UTC), `_NONE` where missing."""
    tokens = table.columns[field.name].tokens
    if field.time_format == "epoch":
        return _whole_numbers(table, field.name, "seconds since 1970 or empty")
    pattern = "ISO8601" if field.time_format in (None, "iso") else field.time_format
    texts = pd.Series(tokens.texts(), dtype=object)
    times = pd.to_datetime(texts, format=pattern, utc=True, errors="coerce")
    missing = tokens.keys == MISSING_KEY
    bad = times.isna().to_numpy() & ~missing
    if bad.any():
        shape = "an ISO 8601 time" if pattern == "ISO8601" else f"a time like {pattern}"
        table.refuse(field.name, bad, f"{shape} or empty")
    seconds = times.to_numpy(dtype="datetime64[s]").astype(np.int64)
    return np.where(missing, _NONE, seconds)


def _part(field: ModelField, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # The first day of 1970 was a Thursday; weekdays count from Monday, which is 0.
    part = (seconds // 86400 + 3) % 7 if field.part == "weekday" else seconds // 3600 % 24
    return np.where(seconds == _NONE, _NONE, part)


def _split(column: Column, field: Field) -> tuple[TokenCells, Tokens]:
    separator = field.separator or DEFAULT_SEPARATOR
    width = num_slots(field)
    known: dict[str, int] = {}
    slots = np.full((len(column.tokens), width), NO_TOKEN, dtype=np.int32)
    for cell, text in enumerate(column.tokens.texts()):
        parts = [part for part in text.split(separator) if part][:width]
        for slot, part in enumerate(parts):
            slots[cell, slot] = known.setdefault(part, len(known))
    tokens = Tokens.from_texts(list(known))
    return TokenCells(column.codes, tokens.keys, slots), tokens
