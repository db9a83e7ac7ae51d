"""Frames and Parquet files give the texts that a CSV would hold."""

from __future__ import annotations

import datetime
import sys

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, Schema, prepare
from ctrkit.data.frames import FrameSource, ParquetSource


def texts_of(source, schema=None):
    found = {}
    for block in source.blocks(schema or Schema([Field("any")])):
        for name, column in block.table(block.columns).columns.items():
            distinct = column.tokens.texts()
            found.setdefault(name, []).extend(distinct[code] for code in column.codes)
    return found


COLUMNS = {
    "text": (["a", "", None, "b b"], ["a", "", "", "b b"]),
    "whole": ([1, -2, 3, 2**53 + 1], ["1", "-2", "3", "9007199254740993"]),
    "gaps": ([1.0, np.nan, 3.0, -4.0], ["1", "", "3", "-4"]),
    "decimal": ([0.1, 1e-9, np.nan, 1e300], ["0.1", "1e-09", "", "1e+300"]),
    "float32": (np.array([0.1, 2, 3.5, 0], dtype=np.float32), ["0.1", "2", "3.5", "0"]),
    "bool": ([True, False, True, True], ["1", "0", "1", "1"]),
    "nullable": (pd.array([1, None, 2**53 + 1, 3], dtype="Int64"), ["1", "", f"{2**53 + 1}", "3"]),
    "category": (pd.Categorical(["x", None, "y", "x"]), ["x", "", "y", "x"]),
    "date": (
        pd.to_datetime(["2024-01-02 03:04:05", None, "2024-01-02", "1969-12-31"], format="ISO8601"),
        ["2024-01-02T03:04:05", "", "2024-01-02T00:00:00", "1969-12-31T00:00:00"],
    ),
    "mixed": (pd.Series([1, "1", 2.5, datetime.date(2024, 1, 2)], dtype=object), None),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_cells_become_texts(name):
    values, expected = COLUMNS[name]
    frame = pd.DataFrame({name: values})
    expected = expected or ["1", "1", "2.5", "2024-01-02"]
    assert texts_of(FrameSource(frame))[name] == expected


def test_parquet_gives_what_the_frame_gives(tmp_path):
    pytest.importorskip("pyarrow")
    names = [name for name in COLUMNS if name not in ("mixed", "gaps")]
    frame = pd.DataFrame({name: COLUMNS[name][0] for name in names})
    frame.to_parquet(tmp_path / "log.parquet")
    assert texts_of(ParquetSource(tmp_path / "log.parquet")) == texts_of(FrameSource(frame))


def test_whole_numbers_with_gaps_keep_their_digits_in_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"x": arrow.array([2**53 + 1, None, 7], type=arrow.int64())})
    parquet.write_table(table, tmp_path / "log.parquet")
    assert texts_of(ParquetSource(tmp_path / "log.parquet"))["x"] == [f"{2**53 + 1}", "", "7"]


def test_lists_are_multivalued_cells(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"tags": [["a", "b"], [], None, ["b"]], "label": [0, 1, 0, 1]})
    schema = Schema([Field("tags", "multivalued", separator=";")])
    frame.to_parquet(tmp_path / "log.parquet")
    for source in (FrameSource(frame), ParquetSource(tmp_path / "log.parquet")):
        assert texts_of(source, schema)["tags"] == ["a;b", "", "", "b"]


def test_parquet_is_prepared_like_the_frame(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {"a": list("xyz") * 20, "n": np.arange(60) / 7, "day": [datetime.date(2024, 1, 2)] * 60}
    )
    frame["click"] = np.arange(60) % 2
    frame.to_parquet(tmp_path / "log.parquet")
    one, two = prepare(frame), prepare(tmp_path / "log.parquet")
    assert one.encoder.fingerprint == two.encoder.fingerprint
    np.testing.assert_array_equal(one.train.ids, two.train.ids)
    np.testing.assert_array_equal(one.train.values, two.train.values)


def test_an_empty_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": [], "label": []}).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(ValueError, match=r"log.parquet is empty"):
        prepare(tmp_path / "log.parquet", schema=Schema([Field("a")]))


def test_rows_are_named_from_one(monkeypatch):
    monkeypatch.setattr("ctrkit.data.frames.BLOCK_ROWS", 2)
    frame = pd.DataFrame({"a": list("xxxxx"), "label": [0, 1, 0, 5, 0]})
    with pytest.raises(ValueError, match=r"DataFrame, row 4: column label must be 0 or 1, got '5'"):
        prepare(frame)


def test_the_hash_sees_every_cell_and_name():
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1, 2]})
    changed = [
        frame.rename(columns={"a": "c"}),
        frame.assign(b=[1, 3]),
        frame.assign(a=["x", None]),
        frame.iloc[::-1],
        frame[["b", "a"]],
    ]
    hashes = {FrameSource(one).content_hash() for one in [frame, *changed]}
    assert len(hashes) == 6
    assert FrameSource(frame.copy()).content_hash() in hashes


def test_the_hash_sees_every_element_of_a_list():
    plain = np.arange(5000)
    other = plain.copy()
    other[2500] = 0
    cells = [
        *(plain, other, plain.astype(float), plain.astype(np.float32), plain.tolist()),
        [plain],
        [other],
        *(["a", "b"], ["a, b"], ["a', 'b"], "['a', 'b']"),
    ]
    frames = [pd.DataFrame({"x": pd.Series([cell, None], dtype=object)}) for cell in cells]
    assert len({FrameSource(frame).content_hash() for frame in frames}) == len(cells)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [], "label": []}), "DataFrame is empty"),
        (pd.DataFrame([[1, 2, 0]], columns=["a", "a", "label"]), "must differ, got 'a' twice"),
        (pd.DataFrame({"a": ["x\0"], "label": [0]}), "column a: a text must not hold a zero byte"),
        (
            pd.DataFrame({"a": ["x", [1]], "label": [0, 1]}),
            "row 2: column a must hold single values, got a list; join it into one text, or give "
            'the field kind "multivalued"',
        ),
        (
            pd.DataFrame({"a": [np.arange(2)], "label": [0]}),
            "row 1: column a must hold single values, got a ndarray",
        ),
    ],
)
def test_what_is_wrong_in_a_frame_is_named(frame, message):
    with pytest.raises(ValueError, match=message):
        prepare(frame, schema=Schema([Field("a")]))


def test_parquet_with_texts_that_are_no_utf8_is_refused(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    texts = arrow.array([b"a", b"\xff"], arrow.binary()).view(arrow.string())
    path = tmp_path / "log.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table({"x": texts}), path)
    with pytest.raises(ValueError, match=r"log.parquet is damaged or not Parquet: .*UTF"):
        texts_of(ParquetSource(path))


def test_parquet_whose_notes_for_pandas_are_damaged_is_refused(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    notes = '{"index_columns": [], "column_indexes": [], "columns": [{"name": "x"}]}'
    table = arrow.table({"x": [1, 2]}).replace_schema_metadata({"pandas": notes})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "log.parquet")
    with pytest.raises(ValueError, match=r"log.parquet is damaged or not Parquet"):
        texts_of(ParquetSource(tmp_path / "log.parquet"))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "log.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"pip install 'ctrkit\[parquet\]'"):
        ParquetSource(tmp_path / "log.parquet")


def test_a_damaged_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "log.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(ValueError, match=r"log.parquet is damaged or not Parquet"):
        prepare(tmp_path / "log.parquet")
