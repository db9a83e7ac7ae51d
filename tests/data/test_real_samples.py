"""The public samples, where they are at hand."""

from __future__ import annotations

import csv
import dataclasses
import gzip

import pytest

from ctrkit.data import built_in_schema, guess_schema, prepare, read_rows


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


def kinds_of(path):
    """Return the guessed kinds, and under each the columns."""
    kinds = {}
    for field in guess_schema(path).schema.fields:
        kinds.setdefault(field.kind, []).append(field.name)
    return kinds


def test_the_schema_of_adult_is_guessed(shared_data):
    found = kinds_of(shared_data / "adult" / "train.csv.gz")
    assert found["numeric"] == [
        *("age", "fnlwgt", "educational_num", "capital_gain", "capital_loss", "hours_per_week")
    ]
    assert len(found["categorical"]) == 8


def test_the_schema_of_movielens_is_guessed(shared_data):
    assert kinds_of(shared_data / "ml100k" / "train.csv.gz") == {
        "categorical": ["user_id", "movie_id", "gender", "occupation", "zip_code"],
        "numeric": ["age", "year"],
        "multivalued": ["genres"],
        "timestamp": ["time"],
    }


def test_the_guessed_schema_of_avazu_is_the_built_in_one(shared_data):
    guess = guess_schema(shared_data / "avazu" / "avazu_23k.csv.gz").schema
    fields = [guess.field(field.name) for field in built_in_schema("avazu").fields]
    assert dataclasses.replace(guess, fields=fields, min_count=5) == built_in_schema("avazu")


def test_the_columns_of_frappe_are_codes(shared_data):
    assert list(kinds_of(shared_data / "frappe" / "train.csv.gz")) == ["categorical"]
