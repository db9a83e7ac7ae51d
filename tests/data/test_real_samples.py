"""The public samples, where they are at hand."""

from __future__ import annotations

import csv
import gzip

import pytest

from ctrkit.data import prepare, read_rows


def test_criteo(shared_data):
    data = prepare(shared_data / "criteo" / "criteo_100k.txt.gz", format="criteo")
    assert [len(data.train), len(data.valid), len(data.test)] == [80_000, 10_000, 10_000]
    assert data.train.ids.shape[1] == 39
    clicks = sum(part.num_clicks for part in (data.train, data.valid, data.test))
    assert clicks == pytest.approx(25_700, abs=50)


def test_avazu(shared_data):
    path = shared_data / "avazu" / "avazu_23k.csv.gz"
    data = prepare(path, format="avazu", split="time")
    assert data.train.ids.shape[1] == 23
    rows = sum(len(chunk) for chunk in read_rows(path, data.encoder))
    assert rows == len(data.train) + len(data.valid) + len(data.test) == 23_299


def test_frappe(shared_data):
    folder = shared_data / "frappe"
    data = prepare(
        folder / "train.csv.gz", valid=folder / "valid.csv.gz", test=folder / "test.csv.gz"
    )
    assert [len(data.train), len(data.valid), len(data.test)] == [202_005, 57_722, 28_860]
    with gzip.open(folder / "train.csv.gz", "rt", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        cities = {row[header.index("city")] for row in rows}
    assert set(data.encoder.vocabularies["city"].tokens.texts()) == cities
