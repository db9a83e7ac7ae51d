"""Formats told from names, schemas guessed from rows."""

from __future__ import annotations

import pandas as pd
import pytest

from ctrkit.data import Field, Schema, built_in_schema, infer_schema
from ctrkit.data.sources import open_sources, resolve_schema

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
    with pytest.raises(ValueError, match=r"log.txt: the format cannot be told from its name"):
        infer_schema(path)
    with pytest.raises(ValueError, match="unknown schema 'crit'"):
        built_in_schema("crit")
    with pytest.raises(ValueError, match="source must name at least one file, got none"):
        open_sources([])
