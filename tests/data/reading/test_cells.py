"""Cells into categories and numbers, against the definitions."""

from __future__ import annotations

import dataclasses
import datetime
import math

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, Schema
from ctrkit.data.reading.cells import NumberCells, TokenCells, cells_of, labels_of, times_of
from ctrkit.data.reading.frames.source import FrameSource


def table_of(field, texts, labels=None):
    frame = pd.DataFrame({field.name: texts, "label": labels or ["0"] * len(texts)}, dtype=object)
    schema = Schema([field])
    return next(FrameSource(frame, name="f.txt").blocks(schema)).table(frame.columns), schema


def categories(field, texts):
    """The category of every row, one list per model field."""
    table, schema = table_of(field, texts)
    found = []
    for cells, tokens in cells_of(table, schema):
        assert isinstance(cells, TokenCells)
        distinct = tokens.texts()
        found.append([distinct[code] for code in cells.codes])
    return found


def test_whole_numbers_fall_into_log_squared_buckets():
    values = [*range(-5, 3000), 10**6, 10**12, 10**18]
    expected = [v if v <= 2 else math.ceil(math.log(v) ** 2 + 1) for v in values]
    (found,) = categories(Field("x", "integer"), [*map(str, values), "", "+7", "007"])
    assert found == [*map(str, expected), "", "5", "5"]


@pytest.mark.parametrize("text", ["1.5", "x", "1e3", " 4", "1_000", "٣", "-", "1\u00a0"])
def test_what_is_no_whole_number_is_named(text):
    with pytest.raises(
        ValueError, match=r"f.txt, row 2: column x must be a whole number or empty, got"
    ):
        categories(Field("x", "integer"), ["1", text])


LARGEST = str(math.ceil(math.log(2**63 - 1) ** 2 + 1))


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("0" * 5000 + "7", "5"),
        ("1" + "0" * 22, LARGEST),
        ("9" * 5000, LARGEST),
        (str(2**63 - 1), LARGEST),
        (str(-(2**63)), str(-(2**63 - 1))),
        ("-" + "9" * 30, str(-(2**63 - 1))),
        ("-000000000000000000000000012", "-12"),
        ("+0000000000", "0"),
    ],
)
def test_whole_numbers_of_any_length_fall_into_buckets(text, bucket):
    assert categories(Field("x", "integer"), [text, ""]) == [[bucket, ""]]


TIMES = [
    ("%y%m%d%H", "14102100", datetime.datetime(2014, 10, 21, 0)),
    ("%y%m%d%H", "14102109", datetime.datetime(2014, 10, 21, 9)),
    ("iso", "2024-02-29T23:59:59", datetime.datetime(2024, 2, 29, 23, 59)),
    ("iso", "2024-02-29T23:59:59+02:00", datetime.datetime(2024, 2, 29, 21, 59)),
    ("iso", "1969-12-31", datetime.datetime(1969, 12, 31)),
    ("epoch", "1700000000", datetime.datetime(2023, 11, 14, 22, 13)),
    ("epoch", "-1", datetime.datetime(1969, 12, 31, 23, 59)),
    ("epoch_ms", "1700000000999", datetime.datetime(2023, 11, 14, 22, 13)),
    ("epoch_ms", "-1", datetime.datetime(1969, 12, 31, 23, 59)),
    ("%Y年%m月%d日", "2024年01月02日", datetime.datetime(2024, 1, 2)),
]


@pytest.mark.parametrize(("time_format", "text", "time"), TIMES)
def test_a_time_becomes_weekday_and_hour(time_format, text, time):
    field = Field("t", "timestamp", time_format=time_format)
    weekdays, hours = categories(field, [text, "", text])
    assert weekdays == [str(time.weekday()), "", str(time.weekday())]
    assert hours == [str(time.hour), "", str(time.hour)]


@pytest.mark.parametrize(
    ("time_format", "text", "must"),
    [
        ("%y%m%d%H", "14102199", "a time like %y%m%d%H or empty"),
        ("iso", "yesterday", "an ISO 8601 time or empty"),
        ("epoch", "12.5", "seconds since 1970 .* or empty"),
        ("epoch", str(2**62), "seconds since 1970 .* or empty"),
        ("epoch", str(-(2**62)), "seconds since 1970 .* or empty"),
        ("iso", "now", "an ISO 8601 time or empty"),
        ("iso", "today", "an ISO 8601 time or empty"),
        ("iso", " 2024-01-02", "an ISO 8601 time or empty"),
        ("iso", "2024-01-02 ", "an ISO 8601 time or empty"),
        ("iso", "-2024-01-02", "an ISO 8601 time or empty"),
        ("iso", "２０２４-01-02", "an ISO 8601 time or empty"),
        ("%Y", "now", "a time like %Y or empty"),
        ("%Y", "today", "a time like %Y or empty"),
        ("%Y", "٢٠٢٤", "a time like %Y or empty"),
        ("%H:%M", " 10:30", "a time like %H:%M or empty"),
    ],
)
def test_what_is_no_time_is_named(time_format, text, must):
    field = Field("t", "timestamp", time_format=time_format)
    with pytest.raises(ValueError, match=f"f.txt, row 1: column t must be {must}, got '{text}'"):
        categories(field, [text])


def test_a_split_by_time_needs_every_time():
    field = Field("t", "timestamp", time_format="epoch")
    table, _ = table_of(field, ["5", "", "7"])
    with pytest.raises(ValueError, match="row 2: column t must be given where a split by time"):
        times_of(table, field)
    table, _ = table_of(field, ["5", "7", "5"])
    assert times_of(table, field).tolist() == [5.0, 7.0, 5.0]


def test_numbers_are_kept():
    table, schema = table_of(Field("x", "numeric"), ["1.5", "", "-2e3", "1.5"])
    ((cells, _),) = cells_of(table, schema)
    assert isinstance(cells, NumberCells)
    np.testing.assert_array_equal(cells.numbers[cells.codes], [1.5, np.nan, -2000.0, 1.5])


@pytest.mark.parametrize(
    "text",
    [
        *("x", "nan", "inf", "1_0", "0x1", " 1", "1 ", "1\u00a0", "１", "٣.٥", "1,5", "1e999", "."),
        *("1e", "e1", "--1", "1\t", "1.2.3", "-", "infinity"),
    ],
)
def test_what_is_no_number_is_named(text):
    table, schema = table_of(Field("x", "numeric"), ["1", text])
    with pytest.raises(ValueError, match="row 2: column x must be a finite number or empty, got"):
        list(cells_of(table, schema))


def test_a_time_may_be_a_number_outside_float32():
    field = Field("t", "numeric")
    table, _ = table_of(field, ["1e300", "-1e300"])
    assert times_of(table, field).tolist() == [1e300, -1e300]


def test_a_multivalued_cell_is_split_and_cut():
    table, schema = table_of(
        Field("x", "multivalued", separator=";", max_slots=2), ["a;b", "", "b", ";c;;a;b"]
    )
    ((cells, tokens),) = cells_of(table, schema)
    names = [*tokens.texts(), None]
    rows = [[names[slot] for slot in cells.slots[code]] for code in cells.codes]
    assert rows == [["a", "b"], [None, None], ["b", None], ["c", "a"]]


def test_labels_are_zero_or_one():
    table, schema = table_of(Field("x"), ["a"] * 4, ["0", "1", "1.0", "0.0"])
    assert labels_of(table, schema).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("spelling", [str.lower, str.capitalize, str.upper])
def test_labels_may_be_true_and_false(spelling):
    texts = [spelling(text) for text in ("false", "true", "true")]
    table, schema = table_of(Field("x"), ["a"] * 3, texts)
    assert labels_of(table, schema).tolist() == [0, 1, 1]


@pytest.mark.parametrize("label", ["2", "", "yes", "-1", "0.5"])
def test_another_label_is_named(label):
    table, schema = table_of(Field("x"), ["a"] * 2, ["0", label])
    with pytest.raises(
        ValueError, match=f"f.txt, row 2: column label must be 0 or 1, got '{label}'"
    ):
        labels_of(table, schema)


@pytest.mark.parametrize("negative", ["no", None])
def test_labels_may_be_any_two_texts(negative):
    table, schema = table_of(Field("x"), ["a"] * 4, ["no", "yes", "yes", "no"])
    schema = dataclasses.replace(schema, positive="yes", negative=negative)
    assert labels_of(table, schema).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("negative", ["no", None])
@pytest.mark.parametrize("third", ["No", "", "1", "maybe"])
def test_a_third_text_of_a_label_is_named(negative, third):
    table, schema = table_of(Field("x"), ["a"] * 3, ["no", "yes", third])
    schema = dataclasses.replace(schema, positive="yes", negative=negative)
    with pytest.raises(
        ValueError,
        match=f"f.txt, row 3: column label must be 'yes' or 'no', got '{third}'",
    ):
        labels_of(table, schema)


def test_a_missing_label_is_named_where_no_other_text_is_known():
    table, schema = table_of(Field("x"), ["a"] * 2, ["yes", ""])
    schema = dataclasses.replace(schema, positive="yes")
    with pytest.raises(ValueError, match="column label must be 'yes' or another text, got ''"):
        labels_of(table, schema)
