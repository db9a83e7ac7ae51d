"""What one column is, by its first cells: the `Field` that it becomes, and why."""

from __future__ import annotations

import math

import numpy as np

from ctrkit.data.guessing.amounts import amount_field, is_skewed, judge_whole_numbers
from ctrkit.data.guessing.lists import Items, items_of
from ctrkit.data.guessing.samples import ColumnSample
from ctrkit.data.guessing.times import time_format_of
from ctrkit.data.schemas import (
    CATEGORICAL,
    DEFAULT_SEPARATOR,
    DROPPED,
    FIRST_UNNAMED,
    TIMESTAMP,
    Field,
)
from ctrkit.options import shown

LEAST_ROWS_TO_DROP = 100
"""In fewer rows, many columns have values that all differ, or only one."""

MOST_ALONE = 0.9
"""Where more of the rows share their value with no other row, the values say next to nothing."""

_COUNTS_ROWS = ("index", "level_0", "row", "rownames", "row_names", "row_id", "row_number")
"""Other names of a first column that counts rows."""

_MOSTLY = 0.5


def guess_field(
    sample: ColumnSample,
    known: str | None = None,
    *,
    position: int,
    seen: float,
    may_drop: bool,
) -> tuple[Field, str]:
    """Return what a column becomes, and why.

    Args:
        sample: its first cells.
        known: its kind, if it is one of times or lists, as the type of a frame's column says.
        position: of the column in the log, from 0.
        seen: share of the rows of the log that the sample has.
        may_drop: leave out a column that says nothing.
    """
    name = sample.name
    if known is not None:
        return known_field(sample, known)
    if position == 0 and _counts_rows(sample):
        return Field(name, DROPPED), "counts rows"
    is_dropped = may_drop and seen == 1
    if not sample.texts:
        return Field(name, DROPPED if is_dropped else CATEGORICAL), "empty"
    if is_dropped and len(sample.texts) == 1 and not sample.missing:
        return Field(name, DROPPED), "one value only"
    time_format = time_format_of(sample)
    if time_format is not None:
        given = None if time_format == "iso" else time_format
        return Field(name, TIMESTAMP, time_format=given), _reason_of_time(time_format)
    field, reason = _number_or_text(sample)
    is_nearly_unique = may_drop and _share_alone(sample, seen) > MOST_ALONE
    # Numbers with some texts among them are worth correcting.
    if field.kind == CATEGORICAL and is_nearly_unique and not 0 < _share_of_texts(sample) < _MOSTLY:
        return Field(name, DROPPED), _reason_of_unique(sample)
    return field, reason


def known_field(sample: ColumnSample, kind: str) -> tuple[Field, str]:
    """Return the field of a column of times or lists, and why."""
    if kind == TIMESTAMP:
        return Field(sample.name, TIMESTAMP), "times"
    items = Items.of_lists(sample.texts, DEFAULT_SEPARATOR)
    return items.field(sample.name), items.reason()


def _counts_rows(sample: ColumnSample) -> bool:
    numbers = sample.numbers
    if sample.missing or len(sample.texts) < max(sample.num_rows, 2) or np.isnan(numbers).any():
        return False
    if sample.name == FIRST_UNNAMED:  # the index of a sample of rows has gaps
        return bool((numbers == np.floor(numbers)).all())
    is_count = numbers == numbers[0] + np.arange(len(numbers))
    return sample.name.lower() in _COUNTS_ROWS and bool(is_count.all())


def _reason_of_time(time_format: str) -> str:
    units = {"epoch": "seconds since 1970", "epoch_ms": "milliseconds since 1970"}
    if time_format == "iso":
        return "times: ISO 8601"
    return f"times: {units[time_format]}" if time_format in units else f"times like {time_format}"


def _number_or_text(sample: ColumnSample) -> tuple[Field, str]:
    share = _share_of_texts(sample)
    if share == 0:
        return _number(sample)
    items = items_of(sample)
    if items is not None:
        return items.field(sample.name), items.reason()
    if share < _MOSTLY:
        odd = sample.texts[int(np.flatnonzero(np.isnan(sample.numbers))[0])]
        return Field(sample.name), f"numbers in {1 - share:.1%} of the rows, but not {shown(odd)}"
    return Field(sample.name), "texts"


def _share_of_texts(sample: ColumnSample) -> float:
    """Return the share of the cells that are neither missing nor numbers."""
    return float(sample.counts[~np.isfinite(sample.numbers)].sum() / sample.num_present)


def _number(sample: ColumnSample) -> tuple[Field, str]:
    values, counts = sample.values
    if (values == np.floor(values)).all():
        is_amount, reason = judge_whole_numbers(sample)
    else:
        is_amount, reason = True, "numbers with decimals"
    if not is_amount:
        return Field(sample.name), reason
    skewed = is_skewed(values, counts)
    reason += "; skewed, so log1p" if skewed else "; standard"
    return amount_field(sample.name, is_skewed=skewed), reason


def _share_alone(sample: ColumnSample, seen: float) -> float:
    """Return about how many of all rows of the log share their value with no other row."""
    alone = float((sample.counts == 1).sum() / sample.num_rows)
    # The more rows there are, the more of them find another with their value.
    return math.pow(alone, 1 / seen)


def _reason_of_unique(sample: ColumnSample) -> str:
    share = len(sample.texts) / sample.num_rows
    return "all values differ" if share == 1 else f"{share:.1%} of the values differ"
