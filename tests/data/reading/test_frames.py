"""Frames and Parquet files give the texts that a CSV would hold."""

from __future__ import annotations

import datetime
import math
import re
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, Schema, prepare
from ctrkit.data.reading.frames.source import FrameSource, ParquetSource


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
    monkeypatch.setattr("ctrkit.data.reading.frames.source.BLOCK_ROWS", 2)
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


@pytest.mark.parametrize(
    "notes",
    [
        "{",
        "[]",
        '{"index_columns": [7]}',
        '{"index_columns": [{"name": "x", "start": 1e400, "step": 1}]}',
        "[" * 100_000,
        " " * (16 << 20) + "{}",
    ],
)
def test_parquet_whose_notes_for_pandas_are_damaged_is_refused(tmp_path, notes):
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"x": [1, 2]}).replace_schema_metadata({"pandas": notes})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "log.parquet")
    with pytest.raises(ValueError, match=r"log.parquet is damaged or not Parquet: its notes"):
        texts_of(ParquetSource(tmp_path / "log.parquet"))


BIG = 2**53
WHOLE = {
    "nullable": lambda: pd.array([BIG + 1, None, BIG, BIG + 1], dtype="Int64"),
    "unsigned": lambda: pd.array([2**64 - 1, None, 2**64 - 2, BIG + 1], dtype="UInt64"),
    "arrow": lambda: pd.array([BIG + 1, None, BIG, BIG + 3], dtype="int64[pyarrow]"),
    "uint64": lambda: np.array([2**64 - 1, 2**64 - 2, BIG + 1, BIG], dtype=np.uint64),
    "category": lambda: pd.Categorical([BIG + 1, None, BIG, BIG + 1]),
    "nullable category": lambda: pd.Categorical(pd.array([BIG + 1, None, BIG, 7], dtype="Int64")),
    "objects": lambda: pd.Series([2**70 + 1, None, 2**70, -(2**80)], dtype=object),
    "decimals": lambda: pd.Series(
        [Decimal("1.00"), None, Decimal("1.0"), Decimal(BIG + 1)], dtype=object
    ),
    "objects of two kinds": lambda: pd.Series([10**22, 1e22, "1", 1], dtype=object),
    "float32": lambda: pd.array([0.1, None, 2.5, 0.1], dtype="Float32"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_numbers_are_the_categories_that_a_csv_of_them_has(tmp_path, name):
    if name == "arrow":
        pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"x": WHOLE[name](), "label": [0, 1, 0, 1]})
    frame = pd.concat([frame] * 10, ignore_index=True)
    frame.to_csv(tmp_path / "log.csv", index=False)
    schema = Schema([Field("x")])
    csv = prepare(tmp_path / "log.csv", schema=schema)
    data = prepare(frame, schema=schema)
    assert data.encoder.fingerprint == csv.encoder.fingerprint
    expected = csv.encoder.encode(pd.read_csv(tmp_path / "log.csv", dtype=str)).ids
    np.testing.assert_array_equal(data.encoder.encode(frame).ids, expected)
    if name not in ("objects", "decimals", "objects of two kinds"):  # which Arrow cannot hold
        pytest.importorskip("pyarrow")
        frame.to_parquet(tmp_path / "log.parquet")
        parquet = prepare(tmp_path / "log.parquet", schema=schema)
        assert parquet.encoder.fingerprint == csv.encoder.fingerprint


def test_what_pandas_calls_missing_is_missing_among_objects_of_any_kind():
    cells = [Decimal("NaN"), Decimal("sNaN"), np.datetime64("NaT"), pd.NA, pd.NaT, math.nan, None]
    frame = pd.DataFrame({"x": pd.Series([*cells, Decimal("1.0")], dtype=object)})
    assert texts_of(FrameSource(frame))["x"] == [""] * len(cells) + ["1.0"]


@pytest.mark.parametrize("name", WHOLE)
def test_the_hash_sees_the_last_digit(name):
    pytest.importorskip("pyarrow")
    one, two = pd.Series(WHOLE[name]()), pd.Series(WHOLE[name]())
    two.iloc[0] = one.iloc[2]
    hashes = {FrameSource(pd.DataFrame({"x": column})).content_hash() for column in (one, two)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([2**53 + 1, 5, 7], name="user"),
        pd.RangeIndex(5, 11, 2, name="user"),
        pd.MultiIndex.from_arrays([[1, 2, 3], list("abc")], names=["user", "day"]),
        pd.MultiIndex.from_arrays([[1, 2, 3], list("abc")], names=["user", None]),
        pd.Index([1, 2, 3], name="a"),  # the name of a column
        pd.Index([3, 2, 1]),
    ],
)
def test_a_named_index_is_a_column(tmp_path, index, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("ctrkit.data.reading.frames.source.BLOCK_ROWS", 2)
    frame = pd.DataFrame({"a": list("xyz")}, index=index)
    expected = {"a": list("xyz")}
    for level, name in enumerate(index.names):
        if name not in (None, "a"):
            expected[name] = [str(value) for value in index.get_level_values(level)]
    frame.to_parquet(tmp_path / "log.parquet")
    for source in (FrameSource(frame), ParquetSource(tmp_path / "log.parquet")):
        assert texts_of(source) == expected
    assert list(frame.columns) == ["a"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (["a", "b|c"], "item 'b|c' of a list must not hold the separator '|'; choose another"),
        ([["a"]], "items of a list must be single values, got a list"),
        ([("a", 1)], "items of a list must be single values, got a tuple"),
    ],
)
def test_an_item_that_would_be_split_is_named(tmp_path, cell, message):
    frame = pd.DataFrame({"tags": pd.Series([["x"], cell], dtype=object), "label": [0, 1]})
    message = f"row 2: column tags: {re.escape(message)}"
    with pytest.raises(ValueError, match=message):
        prepare(frame, schema=Schema([Field("tags", "multivalued")]))
    if isinstance(cell[0], str):
        pytest.importorskip("pyarrow")
        frame.to_parquet(tmp_path / "log.parquet")
        with pytest.raises(ValueError, match=message):
            prepare(tmp_path / "log.parquet", schema=Schema([Field("tags", "multivalued")]))
        prepare(frame, schema=Schema([Field("tags", "multivalued", separator=";")]))


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
