"""Columns of times, and numbers that are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, guess_schema, infer_schema, prepare

ROWS = 300
MOMENTS = pd.date_range("2024-03-01", periods=ROWS, freq="7h")


def guessed(name, texts):
    frame = pd.DataFrame({"user": ["a", "b", "c"] * (ROWS // 3), name: list(texts)})
    frame["click"] = [0, 1] * (ROWS // 2)
    schema = infer_schema(frame)
    if schema.field(name).kind == "timestamp":
        prepare(frame)  # so that all cells are read as times
    return schema.field(name)


WRITTEN = {
    "%Y-%m-%d": None,
    "%Y-%m-%d %H:%M:%S": None,
    "%Y-%m-%dT%H:%M:%SZ": None,
    "%Y-%m-%dT%H:%M:%S.250+02:00": None,
    "%Y/%m/%d": "%Y/%m/%d",
    "%Y/%m/%d %H:%M": "%Y/%m/%d %H:%M",
    "%d.%m.%Y %H:%M:%S": "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y": "%m/%d/%Y",
    "%d-%m-%y": "%d-%m-%y",
    "%Y%m%d": "%Y%m%d",
    "%Y%m%d%H": "%Y%m%d%H",
    "%y%m%d%H": "%y%m%d%H",
    "%Y%m%d%H%M%S": "%Y%m%d%H%M%S",
}


@pytest.mark.parametrize("pattern", WRITTEN)
def test_times_are_known_by_how_they_are_written(pattern):
    found = guessed("x", MOMENTS.strftime(pattern))
    assert found == Field("x", "timestamp", time_format=WRITTEN[pattern])


def test_times_may_be_missing():
    texts = MOMENTS.strftime("%Y-%m-%d").to_series().where(np.arange(ROWS) % 3 > 0, "")
    assert guessed("x", texts) == Field("x", "timestamp")


SECONDS = MOMENTS.astype("int64").to_numpy() // 10 ** (9 if MOMENTS.unit == "ns" else 6)


@pytest.mark.parametrize(("unit", "factor"), [("epoch", 1), ("epoch_ms", 1000)])
@pytest.mark.parametrize("name", ["ts", "created_at", "eventTime", "x"])
def test_seconds_and_milliseconds_are_known_by_name_or_order(unit, factor, name):
    numbers = SECONDS * factor + np.arange(ROWS) % 5
    assert guessed(name, numbers) == Field(name, "timestamp", time_format=unit)
    shuffled = np.random.default_rng(0).permutation(numbers)
    assert guessed(name, shuffled).kind == ("timestamp" if name != "x" else "dropped")


NO_TIMES = {
    "numbers in order, one by one": ("order", np.arange(ROWS) + 1_700_000_000),
    "ids": ("event_time_id", SECONDS),
    "years": ("year", [2000 + n % 20 for n in range(ROWS)]),
    "before 1990": ("time", SECONDS // 4),
    "prices": ("x", [631152000 + (n * 7919) % 10**6 for n in range(ROWS)]),
    "six digits": ("x", [f"{n * 7919 % 10**6:06}" for n in range(ROWS)]),
    "a day or a month first": ("date", ["01/02/2024", "03/04/2024", "05/06/2024"] * (ROWS // 3)),
    "one text among them": ("time", [*MOMENTS[1:].strftime("%Y-%m-%d"), "never"]),
    "versions": ("x", ["1.2.3", "1.2.4", "1.3.0"] * (ROWS // 3)),
    "years alone": ("date", ["2024", "2023", "2022"] * (ROWS // 3)),
}


@pytest.mark.parametrize("what", NO_TIMES)
def test_other_columns_are_no_times(what):
    assert guessed(*NO_TIMES[what]).kind != "timestamp"


def test_the_reason_says_what_the_times_look_like():
    frame = pd.DataFrame(
        {"when": MOMENTS.strftime("%Y-%m-%d"), "hour": MOMENTS.strftime("%y%m%d%H")}
    )
    frame["ts"] = SECONDS
    frame["click"] = [0, 1] * (ROWS // 2)
    reasons = [column.reason for column in guess_schema(frame).columns]
    assert reasons[:3] == ["times: ISO 8601", "times like %y%m%d%H", "times: seconds since 1970"]
