"""Formats told from names, schemas guessed from rows."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest

from ctrkit.data import Field, Schema, built_in_schema, infer_schema
from ctrkit.data.reading.frames.source import ParquetSource
from ctrkit.data.reading.sources import open_sources, resolve_schema
from ctrkit.data.reading.text.source import TextSource

TEXT = "user,age,price,note,Click\nu1,30,0.5,,0\nu2,,3,x,1\n"


def test_kinds_are_guessed_from_the_cells(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TEXT)
    schema = infer_schema(path)
    assert schema.label == "Click"
    assert [(field.name, field.kind) for field in schema.fields] == [
        ("user", "categorical"),
        ("age", "categorical"),
        ("price", "numeric"),
        ("note", "categorical"),
    ]


def test_a_frame_is_guessed_like_a_file():
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "price": [0.5, 2.0],
            "whole": [1.0, None],
            "target": [0, 1],
        }
    )
    schema = infer_schema(frame)
    assert schema.label == "target"
    assert [field.kind for field in schema.fields] == ["timestamp", "numeric", "categorical"]


@pytest.mark.parametrize(
    ("name", "separator"), [("log.tsv", "\t"), ("log.tsv.gz", "\t"), ("x.csv", ",")]
)
def test_the_separator_is_told_from_the_name(tmp_path, name, separator):
    path = tmp_path / name
    path.write_text(TEXT.replace(",", separator))
    assert infer_schema(path).separator == separator


def test_the_label_can_be_named(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TEXT.replace("Click", "bought"))
    with pytest.raises(
        ValueError, match="no column is called label, click or target; name the label"
    ):
        infer_schema(path)
    assert infer_schema(path, label="bought").label == "bought"
    with pytest.raises(ValueError, match="unknown column 'bougt'; did you mean 'bought'"):
        infer_schema(path, label="bougt")


def test_two_columns_that_look_like_a_label_are_not_guessed_at(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("a,label,click\nx,0,1\n")
    with pytest.raises(ValueError, match=r"only one column may be called .* got label and click"):
        infer_schema(path)
    assert infer_schema(path, label="click").label == "click"


def test_a_log_of_labels_alone_is_named(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("click\n0\n1\n")
    with pytest.raises(ValueError, match=r"log.csv: must have a column besides the label 'click'"):
        infer_schema(path)


def test_names_that_make_no_schema_are_named():
    when = pd.to_datetime(["2024-01-01"])
    frame = pd.DataFrame({"t": when, "t_hour": [1], "click": [1]})
    with pytest.raises(ValueError, match="DataFrame: field names must differ, got 't_hour' twice"):
        infer_schema(frame)


@pytest.mark.parametrize("as_parquet", [False, True])
def test_columns_of_dates_are_timestamps(tmp_path, as_parquet):
    pytest.importorskip("pyarrow")
    day = datetime.date(2024, 1, 2)
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(["2024-01-01", None]),
            "zoned": pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True),
            "day": pd.Series([None, day], dtype=object),
            "text": ["2024-01-01", "2024-01-02"],
            "clock": [datetime.time(3), datetime.time(4)],
            "nothing": pd.Series([None, None], dtype=object),
            "label": [0, 1],
        }
    )
    frame.to_parquet(tmp_path / "log.parquet")
    schema = infer_schema(tmp_path / "log.parquet" if as_parquet else frame)
    kinds = {field.name: field.kind for field in schema.fields}
    assert [name for name in kinds if kinds[name] == "timestamp"] == ["time", "zoned", "day"]


def test_parquet_is_known_by_its_content(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": ["x", "y"], "label": [0, 1]}).to_parquet(tmp_path / "log.parquet")
    path = (tmp_path / "log.parquet").rename(tmp_path / "part-00000.snappy")
    assert infer_schema(path).label == "label"
    assert isinstance(open_sources(path)[0], ParquetSource)


def test_a_text_that_begins_like_parquet_is_a_text(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("PAR1,PAR2,label\n1,2,0\n")
    assert isinstance(open_sources(path)[0], TextSource)


def test_a_given_schema_wins_over_the_format(tmp_path):
    schema = Schema([Field("a"), Field("b")])
    (tmp_path / "schema.toml").write_text(schema.to_toml())
    path = tmp_path / "log.txt"
    assert resolve_schema(path, format="criteo", schema=schema) is schema
    assert resolve_schema(path, schema=tmp_path / "schema.toml") == schema
    assert resolve_schema(path, schema=schema, label="b").label == "b"
    assert resolve_schema(path, format="avazu") == built_in_schema("avazu")


def test_unknown_formats_are_named(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(TEXT)
    with pytest.raises(ValueError, match="unknown format 'critoe'; did you mean 'criteo'"):
        open_sources(path, format="critoe")
    with pytest.raises(ValueError, match=r"log.txt: cannot guess the format from the file's name"):
        infer_schema(path)
    with pytest.raises(ValueError, match="unknown schema 'crit'"):
        built_in_schema("crit")
    with pytest.raises(ValueError, match="source must name at least one file, got none"):
        open_sources([])
