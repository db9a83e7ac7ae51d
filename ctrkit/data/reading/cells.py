"""Columns of text into cells of fields: categories and numbers.

This is the one place that interprets cells, for training and for new rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import (
    MISSING_KEY,
    NO_NUMBER,
    Column,
    Integers,
    Keys,
    Tokens,
    numbers_of,
    seconds_of,
    smallest,
    spelling_of,
    whole_numbers_of,
)
from ctrkit.data.reading.blocks import Table
from ctrkit.data.schemas import (
    CATEGORICAL,
    DEFAULT_SEPARATOR,
    DROPPED,
    INTEGER,
    NUMERIC,
    TIMESTAMP,
    Field,
    ModelField,
    Schema,
)
from ctrkit.options import shown
from ctrkit.rows import Labels

NO_TOKEN = -1

LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1} | dict.fromkeys(("false", "False", "FALSE"), 0)
LABELS |= dict.fromkeys(("true", "True", "TRUE"), 1)
"""Texts of a label column, where the schema names none."""

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


def labels_of(table: Table, schema: Schema) -> Labels:
    """Return the labels of the rows, ``(N,)``.

    Raises:
        ValueError: if a label is neither a click nor no click, naming file and line.
    """
    column = table.columns[schema.label]
    texts = column.tokens.texts()
    value, must = LABELS, "0 or 1"
    if schema.positive is not None:
        others = (text for text in texts if text not in ("", schema.positive))
        negative = schema.negative or next(others, None)
        value = {text: number for text, number in ((negative, 0), (schema.positive, 1)) if text}
        must = f"{shown(schema.positive)} or {shown(negative) if negative else 'another text'}"
    found = np.array([value.get(text, 2) for text in texts], dtype=np.uint8)
    table.require(schema.label, found == 2, must)
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
            yield NumberCells(column.codes, _numbers(table, field.name, number)), none
        else:
            yield _split(column, field)


def times_of(table: Table, field: Field) -> Times:
    """Return the time of every row, ``(N,)``, for a split by time.

    Raises:
        ValueError: if a cell is missing or no time, naming file, line and column.
    """
    column = table.columns[field.name]
    missing = column.tokens.keys == MISSING_KEY
    table.require(field.name, missing, "given where a split by time needs it")
    if field.kind == TIMESTAMP or (field.kind == DROPPED and field.time_format is not None):
        distinct = _seconds(table, field).astype(np.float64)
    else:
        must = 'a number, or of kind "timestamp", where a split by time needs it'
        distinct = _numbers(table, field.name, must)
    times: Times = distinct[column.codes]
    return times


def _categories(codes: Integers, values: npt.NDArray[np.int64]) -> tuple[TokenCells, Tokens]:
    """Return the cells of whole numbers; `NO_NUMBER` is a missing one."""
    distinct, inverse = np.unique(values, return_inverse=True)
    tokens = Tokens.from_texts(
        ["" if value == NO_NUMBER else str(value) for value in distinct.tolist()]
    )
    return TokenCells(smallest(inverse, len(distinct))[codes], tokens.keys), tokens


def _buckets(table: Table, name: str) -> npt.NDArray[np.int64]:
    values, bad = whole_numbers_of(table.columns[name].tokens)
    table.require(name, bad, "a whole number or empty")
    return log_squared_bucket(values)


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
    numbers, bad = numbers_of(table.columns[name].tokens)
    table.require(name, bad, must)
    return numbers


def _seconds(table: Table, field: Field) -> npt.NDArray[np.int64]:
    """Return seconds since 1970 (UTC), `NO_NUMBER` where missing."""
    time_format = field.time_format or "iso"
    seconds, bad = seconds_of(table.columns[field.name].tokens, time_format)
    table.require(field.name, bad, f"{spelling_of(time_format)} or empty")
    return seconds


def _part(field: ModelField, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # The first day of 1970 was a Thursday; weekdays count from Monday, which is 0.
    part = (seconds // 86400 + 3) % 7 if field.part == "weekday" else seconds // 3600 % 24
    return np.where(seconds == NO_NUMBER, NO_NUMBER, part)


def _split(column: Column, field: Field) -> tuple[TokenCells, Tokens]:
    separator = field.separator or DEFAULT_SEPARATOR
    width = field.num_slots
    known: dict[str, int] = {}
    slots = np.full((len(column.tokens), width), NO_TOKEN, dtype=np.int32)
    for cell, text in enumerate(column.tokens.texts()):
        parts = [part for part in text.split(separator) if part][:width]
        for slot, part in enumerate(parts):
            slots[cell, slot] = known.setdefault(part, len(known))
    tokens = Tokens.from_texts(list(known))
    return TokenCells(column.codes, tokens.keys, slots), tokens
