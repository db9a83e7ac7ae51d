"""Rows that cannot be read: left out, counted and listed, and nothing else is changed by that."""

from __future__ import annotations

import csv
import gzip
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrkit.data import Field, PrepareConfig, Schema, infer_schema, load, prepare
from ctrkit.data.reading.bad_rows import BadRow, BadRowsError
from ctrkit.data.reading.skipping import SKIPPED_FILE
from ctrkit.data.reading.text.csv_lines import parse_lines
from ctrkit.data.reading.text.records import Dialect, records
from ctrkit.synthetic import generate

SCHEMA = Schema(
    [
        Field("text"),
        Field("count", "integer"),
        Field("price", "numeric", transform="log1p"),
        Field("when", "timestamp", time_format="%Y-%m-%d"),
        Field("tags", "multivalued"),
    ]
)
HEADER = b"label,text,count,price,when,tags\n"
GOOD_LINE = b"1,a,2,.5,2024-02-29,x|y\n"

BAD_LINES = {
    b"1,a,2\n": "must have 6 columns, got 3",
    b"1,a,2,.5,2024-02-29,x|y,\n": "must have 6 columns, got 7",
    b"2,a,2,.5,2024-02-29,x\n": "column label must be 0 or 1, got '2'",
    b",a,2,.5,2024-02-29,x\n": "column label must be 0 or 1, got ''",
    b"1,a,1.5,.5,2024-02-29,x\n": "column count must be a whole number or empty, got '1.5'",
    b"1,a,2,cheap,2024-02-29,x\n": "column price must be a finite number or empty, got 'cheap'",
    b"1,a,2,1e309,2024-02-29,x\n": "column price must be a finite number or empty, got '1e309'",
    b"1,a,2,.5,2024-02-30,x\n": "column when must be a time like %Y-%m-%d or empty, got "
    "'2024-02-30'",
    b"1,caf\xe9,2,.5,2024-02-29,x\n": "text must be UTF-8, got byte 0xe9; convert the file first",
    b"1,a\0b,2,.5,2024-02-29,x\n": "text must not hold a zero byte; is the file UTF-16?",
    b'1,"a\nb\xff",2,.5,2024-02-29,x\n': "text must be UTF-8, got byte 0xff; convert the file "
    "first",
    b'3,"a\n\nb",2,.5,2024-02-29,x\n': "column label must be 0 or 1, got '3'",
    b'1,"a\nb",2,.5,2024-02-29,x,\n': "must have 6 columns, got 7",
    b'1,"a"b,2,.5,2024-02-29,x\n': "',' expected after '\"'; if quotes mean nothing in this file, "
    'set quote = "" in the schema',
}

cells = st.text(alphabet='xé, "\n', max_size=8)
good_rows = st.tuples(
    st.sampled_from("01"),
    cells,
    st.sampled_from(["", "1", "-3", "4000"]),
    st.sampled_from(["", "0", "2.5", "1e3"]),
    st.sampled_from(["", "2024-02-29", "1999-12-31"]),
    st.sampled_from(["", "x", "x|y|z"]),
)
logs = st.lists(good_rows | st.sampled_from(list(BAD_LINES)), min_size=1, max_size=30)


BYTES = [b"x", b",", b",", b",", b"\r", b"\n", b"\n", b"\0", b"\xc3", b"\xa9", b"\xff"]


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


def line_of(row):
    if isinstance(row, bytes):
        return row
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerow(row)
    return stream.getvalue().encode()


def same_arrays(one, two):
    for part in ("train", "valid", "test"):
        for name in ("ids", "labels", "values"):
            np.testing.assert_array_equal(
                getattr(getattr(one, part), name), getattr(getattr(two, part), name)
            )
    assert one.encoder.fingerprint == two.encoder.fingerprint


def listed(data):
    """File name, line and reason of the skipped rows."""
    path = data.path / SKIPPED_FILE
    if not path.exists():
        return []
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header == "file\tline\treason\tcontent"
    rows = [line.split("\t") for line in lines]
    return [(Path(file).name, int(line), reason) for file, line, reason, _ in rows]


@given(logs, st.sampled_from([120, 300, 1 << 20]), st.sampled_from(["random", "last"]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_skipping_equals_preparing_the_log_without_its_bad_lines(folder, rows, block_bytes, split):
    good = [line_of(row) for row in rows if isinstance(row, tuple)] + [GOOD_LINE]
    bad, line = [], 2
    for row in rows:
        if isinstance(row, bytes):
            bad.append(("bad.csv", line, BAD_LINES[row].replace("\\", "\\\\")))
        line += line_of(row).count(b"\n")
    (folder / "good.csv").write_bytes(HEADER + b"".join(good))
    (folder / "bad.csv").write_bytes(HEADER + b"".join(map(line_of, rows)) + GOOD_LINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", block_bytes)
        skipped = prepare(folder / "bad.csv", schema=SCHEMA, split=split, bad_rows="skip")
        clean = prepare(folder / "good.csv", schema=SCHEMA, split=split)
    same_arrays(skipped, clean)
    assert listed(skipped) == bad
    assert skipped.num_skipped == skipped.info["skipped"]["train"] == len(bad)


@given(st.lists(st.sampled_from(BYTES), max_size=30).map(b"".join))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_whole_arrays_and_csv_find_the_same_bad_lines(text):
    data = text + b"\n"
    words = np.frombuffer(data + bytes(-len(data) % 8 + 8), dtype="<u8")
    dialect = Dialect(("a", "b"), ",", '"')
    slow = [record for record in records(data, dialect) if isinstance(record, BadRow)]
    try:
        parse_lines(words, len(data), dialect, ("a", "b"), str)
        fast = []
    except BadRowsError as error:
        fast = list(error.rows)
    assert fast == slow


@pytest.fixture(scope="module")
def criteo(folder):
    """A Criteo log, the same with 40 lines spoilt, and the numbers of those."""
    clean, spoilt = folder / "clean.txt", folder / "spoilt.txt"
    generate(clean, rows=1000, seed=1)
    lines = clean.read_bytes().splitlines(keepends=True)
    generator = np.random.default_rng(0)
    bad = sorted([0, *generator.choice(np.arange(1, 1000), 39, replace=False).tolist()])
    kinds = [
        lambda line: line.replace(b"\t", b",", 1),
        lambda line: b"x" + line,
        lambda line: line[:1] + b"\t1e3" + line[line.index(b"\t", 2) :],
        lambda line: line[:-1] + b"\xff\n",
        lambda line: line[: len(line) // 2] + b"\n",
    ]
    clean.write_bytes(b"".join(line for n, line in enumerate(lines) if n not in bad))
    for number, line in enumerate(bad):
        lines[line] = kinds[number % len(kinds)](lines[line])
    spoilt.write_bytes(b"".join(lines))
    return clean, spoilt, [line + 1 for line in bad]


@pytest.mark.parametrize("num_workers", [1, 4])
def test_the_list_and_the_arrays_do_not_depend_on_blocks_or_workers(
    criteo, monkeypatch, num_workers
):
    clean, spoilt, bad = criteo
    whole = prepare(spoilt, format="criteo", bad_rows="skip")
    same_arrays(whole, prepare(clean, format="criteo"))
    assert [line for _, line, _ in listed(whole)] == bad
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 30_000)
    blocks = prepare(spoilt, format="criteo", bad_rows="skip", num_workers=num_workers)
    same_arrays(blocks, whole)
    assert (blocks.path / SKIPPED_FILE).read_bytes() == (whole.path / SKIPPED_FILE).read_bytes()


def test_the_list_holds_the_lines_as_they_stand_in_the_file(folder):
    bad = [b'1,"tab\there\\",2\n', b"1,\xff\0\n", b'3,"a\r\nb",2,.5,2024-02-29,x\n']
    (folder / "log.csv").write_bytes(HEADER + GOOD_LINE + b"".join(bad))
    data = prepare(folder / "log.csv", schema=SCHEMA, bad_rows="skip")
    lines = (data.path / SKIPPED_FILE).read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split("\t")[3] for line in lines] == [
        r'1,"tab\there\\",2',
        r"1,\xff\x00",
        r'3,"a\r\nb",2,.5,2024-02-29,x',
    ]


def test_a_quote_that_is_never_closed_costs_one_line_not_the_rest(folder, monkeypatch):
    lines = [b'%d,"a\n%d",2,.5,2024-02-29,x\n' % (n % 2, n) for n in range(60)]
    opening = b'1,"a,2,.5,2024-02-29,x\n'
    (folder / "good.csv").write_bytes(HEADER + b"".join(lines))
    for at, rest in [(20, lines[20:]), (40, [GOOD_LINE] * 90), (60, [])]:
        (folder / "bad.csv").write_bytes(HEADER + b"".join([*lines[:at], opening, *rest]))
        (folder / "good.csv").write_bytes(HEADER + b"".join([*lines[:at], *rest]))
        for block_bytes in (200, 1 << 20):
            monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", block_bytes)
            data = prepare(folder / "bad.csv", schema=SCHEMA, bad_rows="skip")
            same_arrays(data, prepare(folder / "good.csv", schema=SCHEMA))
            assert [line for _, line, _ in listed(data)] == [2 * at + 2]


def test_compressed_files_and_several_of_them_are_counted_by_part(folder):
    for name in ("one.csv.gz", "two.csv.gz", "valid.csv.gz"):
        with gzip.open(folder / name, "wb") as file:
            file.write(HEADER + GOOD_LINE * 20 + b"1,a\n" + GOOD_LINE + b"0\n" * (name[0] == "v"))
    data = prepare(
        [folder / "one.csv.gz", folder / "two.csv.gz"],
        valid=folder / "valid.csv.gz",
        schema=SCHEMA,
        bad_rows="stop-after 4",
    )
    assert data.info["skipped"] == {"train": 2, "valid": 2}
    assert [(file, line) for file, line, _ in listed(data)] == [
        ("one.csv.gz", 22),
        ("two.csv.gz", 22),
        ("valid.csv.gz", 22),
        ("valid.csv.gz", 24),
    ]
    assert len(data.valid) == 21


def bad_frame():
    frame = pd.DataFrame(
        {
            "label": [0, 1, 2] * 10,
            "a": pd.Series(["x", "y", "z"] * 10, dtype=object),
            "n": np.arange(30) / 2,
        }
    )
    frame.at[4, "a"] = [1, 2]
    frame.at[6, "a"] = "zero\0"
    frame.at[7, "a"] = b"\xff"
    frame.at[9, "n"] = np.inf
    return frame


def test_rows_of_a_frame_are_left_out(monkeypatch):
    schema = Schema([Field("a"), Field("n", "numeric", transform="log1p")])
    frame = bad_frame()
    bad = [row for row in range(30) if row % 3 == 2 or row in (4, 6, 7, 9)]
    whole = prepare(frame, schema=schema, bad_rows="skip")
    same_arrays(whole, prepare(frame.drop(index=bad), schema=schema))
    found = listed(whole)
    assert [line for _, line, _ in found] == [row + 1 for row in bad]
    assert found[1][2].startswith("column a must hold single values, got a list")
    monkeypatch.setattr("ctrkit.data.reading.frames.source.BLOCK_ROWS", 5)
    blocks = prepare(frame, schema=schema, bad_rows="skip")
    same_arrays(whole, blocks)
    assert listed(blocks) == found


def test_rows_of_a_parquet_file_are_left_out(folder):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"label": [0, 1, 2] * 10, "a": ["x", "y", "z"] * 10})
    frame.to_parquet(folder / "log.parquet")
    data = prepare(folder / "log.parquet", bad_rows="skip")
    same_arrays(data, prepare(frame[frame["label"] < 2]))
    assert listed(data)[0] == ("log.parquet", 3, "column label must be 0 or 1, got '2'")


def test_bad_rows_take_no_part_in_the_guess_of_a_schema(folder):
    path = folder / "guess.csv"
    path.write_text("click,price\n1,.5\n7,cheap\n0,2\n1\n")
    schema = infer_schema(path, skip=True)
    assert schema.field("price").kind == "numeric"
    assert [line for _, line, _ in listed(prepare(path, bad_rows="skip"))] == [3, 5]


def test_more_bad_rows_than_allowed_are_refused_with_the_last(criteo, tmp_path, monkeypatch):
    _, spoilt, bad = criteo
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 30_000)
    with pytest.raises(
        ValueError,
        match=rf"spoilt.txt, line {bad[10]}: .*; with it, 11 rows are bad, and bad_rows "
        r"'stop-after 10' allows 10",
    ):
        prepare(spoilt, out=tmp_path / "data", format="criteo", bad_rows="stop-after 10")
    assert not list(tmp_path.iterdir())
    assert prepare(spoilt, format="criteo", bad_rows="stop-after 40").num_skipped == 40


@pytest.mark.parametrize("bad_rows", ["skp", "stop-after", "stop-after 0", "stop-after ten", ""])
def test_another_way_with_bad_rows_is_refused(bad_rows):
    with pytest.raises(ValueError, match=f"stop-after N .*, got '{bad_rows}'"):
        PrepareConfig(bad_rows=bad_rows)


def test_a_file_without_a_good_row_is_refused(folder):
    path = folder / "semicolons.csv"
    path.write_text("label,a\n" + "0;x\n" * 100)
    with pytest.raises(
        ValueError,
        match=r"semicolons.csv holds no rows that can be read; the first bad one: .*, line 2: must",
    ):
        prepare(path, schema=Schema([Field("a")]), bad_rows="skip")
    with pytest.raises(ValueError, match=r"semicolons.csv, line 2: must have 2 columns, got 1"):
        prepare(path, bad_rows="skip")
    path.write_text("label,a\n\n\n")
    with pytest.raises(ValueError, match=r"semicolons.csv holds no rows$"):
        prepare(path)


def test_a_folder_is_opened_again_where_as_many_bad_rows_are_allowed(criteo, tmp_path):
    clean, spoilt, _ = criteo
    out = tmp_path / "data"
    prepare(spoilt, out=out, format="criteo", bad_rows="skip")
    assert prepare(spoilt, out=out, format="criteo", bad_rows="stop-after 40").num_skipped == 40
    for bad_rows, allowed in [("stop-after 39", "39"), ("error", "none")]:
        with pytest.raises(
            ValueError,
            match=rf"without 40 rows that cannot be read, .*'{bad_rows}' allows {allowed}",
        ):
            prepare(spoilt, out=out, format="criteo", bad_rows=bad_rows)
    prepare(clean, out=tmp_path / "clean", format="criteo", bad_rows="skip")
    assert prepare(clean, out=tmp_path / "clean", format="criteo").num_skipped == 0
    assert not (tmp_path / "clean" / SKIPPED_FILE).exists()
    assert load(out).num_skipped == 40
