"""The longest cell and line, and the most cells of a block, whatever the blocks."""

from __future__ import annotations

import csv
import gzip
import io
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctrkit.data import Field, Schema, infer_schema, prepare, read_rows
from ctrkit.data.reading.bad_rows import BadRow, BadRowsError
from ctrkit.data.reading.block_rows import most_rows
from ctrkit.data.reading.frames.source import FrameSource
from ctrkit.data.reading.skipping import read_good_rows
from ctrkit.data.reading.text.records import CsvRow, CutOffRow, Dialect, cut_by_csv
from ctrkit.data.reading.text.source import TextSource

SCHEMA = Schema([Field("a"), Field("b")])
GOOD = "0,x,y\n1,z,\n"
LAYOUT = Dialect(("label", "a", "b"), ",", '"')


@pytest.fixture
def write(tmp_path):
    def write(content, name="log.csv"):
        path = tmp_path / name
        content = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.limits.MAX_CELL_BYTES", 1000)
    monkeypatch.setattr("ctrkit.data.reading.limits.MAX_LINE_BYTES", 4000)


def rows_of(source, schema=SCHEMA, *, skip=False):
    """All rows with their lines, and the lines that are bad."""
    rows, bad = [], []
    for block in source.blocks(schema):

        def read(block):
            return block.table(block.columns)

        table = read_good_rows(block, read, bad.extend) if skip else read(block)
        if table is None:
            continue
        columns = [
            [column.tokens.texts()[code] for code in column.codes]
            for column in table.columns.values()
        ]
        places = (table.place(line).split()[-1] for line in table.lines()[:-1].tolist())
        rows += zip(map(int, places), *columns, strict=True)
    return rows, sorted(row.number for row in bad)


LONG = {
    "plain": (
        "0,x," + "y" * 2000 + "\n",
        4,
        "a cell must have at most 1,000 bytes, got [0-9,]+ bytes",
    ),
    "quoted": ('0,x,"' + "y" * 2000 + '"\n', 4, "a quote opens a cell and is not closed within 1,"),
    "lines": ('0,x,"' + "y\n" * 900 + '"\n', 4, "a quote opens a cell and is not closed within 1,"),
    "doubled": ('0,x,"' + '""' * 1100 + '"\n', 4, "a quote opens a cell and is not closed within"),
    "unclosed": ('0,x,"y\n' + GOOD * 300, 4, "a quote opens a cell and is not closed within 1,000"),
    "unclosed late": ('0,"x\nx","y\n' + GOOD * 300, 5, "a quote opens a cell and is not closed wi"),
    "not text": (
        "0,x," + "é" * 600 + "\n",
        4,
        "a cell must have at most 1,000 bytes, got [0-9,]+ bytes",
    ),
    "line": ("0,x," + "y" * 20_000 + "\n", 4, "a line must have at most 4,000 bytes, got more"),
    "no end": (
        "0," + "y" * 20_000,
        4,
        "a line must have at most 4,000 bytes, got more; is it text?",
    ),
    "many cells": ("0," + "y," * 9000 + "\n", 4, "a line must have at most 4,000 bytes, got more"),
    "zeros": ("\0" * 20_000, 4, "a line must have at most 4,000 bytes, got more; is it text?"),
}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
@pytest.mark.parametrize("block_bytes", [20, 3000, 1 << 20])
@pytest.mark.parametrize("before", ["", '0,5" s,x\n', '0,"5"" s","x\nx"\n'])
@pytest.mark.parametrize("case", LONG)
def test_a_cell_or_line_that_is_too_long_is_named(write, case, before, name, block_bytes):
    content, line, message = LONG[case]
    path = write("label,a,b\n" + GOOD + before + content + GOOD, name)
    line += before.count("\n")
    with pytest.raises(ValueError, match=rf"{name}, line {line}: {message}"):
        rows_of(TextSource(path, block_bytes=block_bytes))


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("case", ["plain", "quoted", "doubled", "unclosed", "not text"])
def test_a_row_with_a_cell_that_is_too_long_can_be_left_out(write, case):
    path = write("label,a,b\n" + GOOD + LONG[case][0] + GOOD)
    for block_bytes in (20, 3000, 1 << 20):
        rows, bad = rows_of(TextSource(path, block_bytes=block_bytes, skip=True), skip=True)
        assert bad == [4]
        assert [row[0] for row in rows] == [2, 3, *range(5, 5 + len(rows) - 2)]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("case", ["line", "no end", "zeros"])
def test_a_line_that_is_too_long_is_never_left_out(write, case):
    path = write("label,a,b\n" + GOOD + LONG[case][0])
    with pytest.raises(ValueError, match="line 4: a line must have at most 4,000 bytes"):
        prepare(path, bad_rows="skip")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("label,a," + "b" * 2000, "a cell must have at most 1,000 bytes"),
        ('label,a,"b', "a quote opens a cell and is not closed within 1,000 bytes"),
        ("label," + "b" * 20_000, "a line must have at most 4,000 bytes"),
    ],
)
def test_a_header_that_is_too_long_is_named(write, header, message):
    path = write(header + "\n" + GOOD * 200)
    for schema in (None, SCHEMA):
        for bad_rows in ("error", "skip"):
            with pytest.raises(ValueError, match=f"log.csv, line 1: {message}"):
                prepare(path, schema=schema, bad_rows=bad_rows)
    with pytest.raises(ValueError, match=f"log.csv, line 1: {message}"):
        infer_schema(path)


def test_the_longest_cells_are_read_whatever_csv_thinks_of_them(write):
    before = csv.field_size_limit()
    longest = "y" * (64 << 10)
    content = f'label,a,b\n0,{longest},z\n1,"{longest}",5" s\n'
    rows, _ = rows_of(TextSource(write(content)))
    assert rows == [(2, "0", longest, "z"), (3, "1", longest, '5" s')]
    assert csv.field_size_limit() == before
    with pytest.raises(BadRowsError, match="line 2: a cell must have at most 65,536 bytes"):
        rows_of(TextSource(write(content.replace(longest, longest + "y"))))


def test_a_log_of_many_columns_is_read(write):
    names = [f"c{number}" for number in range(10_000)]
    content = ",".join(["label", *names]) + "\n" + ("0" + ",12" * 10_000 + "\n") * 3
    (block,) = TextSource(write(content)).blocks(Schema([Field(name) for name in names[:3]]))
    assert len(block.table(names).columns) == 10_000


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("as_parquet", [False, True])
def test_a_cell_of_a_frame_that_is_too_long_is_named(tmp_path, as_parquet):
    frame = pd.DataFrame({"label": [0, 1, 0, 1], "a": ["x", "y", "é" * 501, "z"]})
    log, name = frame, "DataFrame"
    if as_parquet:
        pytest.importorskip("pyarrow")
        log, name = tmp_path / "log.parquet", "log.parquet"
        frame.to_parquet(log)
    with pytest.raises(
        ValueError, match=rf"{name}, row 3: column a: a cell must have at most 1,000 bytes, got 'é"
    ):
        prepare(log)
    assert prepare(log, bad_rows="skip").num_skipped == 1


def test_quotes_that_pair_up_wrongly_do_not_take_for_ever(write, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.limits.MAX_LINE_BYTES", 20_000)
    path = write("label,a,b\n" + GOOD + 'x","\n' * 20_000)
    with pytest.raises(ValueError, match="line 4: a row of several lines must have at most 20,000"):
        rows_of(TextSource(path))
    rows, bad = rows_of(TextSource(path, skip=True), skip=True)
    assert (len(rows), bad[0]) == (2, 4)


texts = st.text(alphabet='xy,,"\r\n\n', max_size=60)


@given(texts)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_rows_are_read_as_csv_reads_them(text):
    text = text.replace("\r\n", "\n") + "\n"
    expected = list(cut_by_csv(text, LAYOUT))
    try:
        rows = list(csv.reader(io.StringIO(text, newline="\n"), strict=True))
    except csv.Error:
        assert any(isinstance(row, BadRow) for row in expected)
    else:
        assert [row.cells for row in expected if isinstance(row, CsvRow)] == rows
    limit = csv.field_size_limit(0)  # so that ``csv`` reads no cell at all
    try:
        assert list(cut_by_csv(text, LAYOUT)) == expected
    finally:
        csv.field_size_limit(limit)
    lines = text.split("\n")
    quoted = list(cut_by_csv(text, LAYOUT, only_quoted=True))
    assert quoted == [row for row in expected if '"' in "".join(lines[row.start : row.end])]


@given(texts, st.sampled_from([3, 10, 25]), st.booleans())
@example('""\r,"\n"\n"', 3, True)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_row_depends_on_the_blocks(tmp_path_factory, text, block_bytes, skip):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_bytes(("label,a,b\n" + text).encode())
    with pytest.MonkeyPatch.context() as patch:

        def read(block_bytes, block_cells):
            patch.setattr("ctrkit.data.reading.limits.MAX_BLOCK_CELLS", block_cells)
            try:
                source = TextSource(path, block_bytes=block_bytes, skip=skip)
                return rows_of(source, skip=skip)
            except ValueError as error:
                return str(error)

        expected = read(1 << 20, 1 << 20)
        assert read(block_bytes, 1 << 20) == read(1 << 20, 6) == read(block_bytes, 3) == expected


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoted", ["x", '"x"', '"x\n\nx"', '5" s'])
def test_blank_lines_are_no_rows_and_count_as_lines(write, line_end, quoted):
    chance = random.Random(0)
    lines, expected = ["label,a,b"], []
    number = 2
    for _ in range(300):
        if chance.random() < 0.4:
            lines.append("")
            number += 1
        else:
            lines.append(f"1,{quoted},y")
            cell = quoted.strip('"') if quoted[0] == '"' else quoted
            expected.append((number, "1", cell, "y"))
            number += 1 + quoted.count("\n")
    path = write(line_end.join(lines) + line_end)
    for block_bytes in (20, 500, 1 << 20):
        for block_cells in (20, 1 << 20):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("ctrkit.data.reading.limits.MAX_BLOCK_CELLS", block_cells)
                assert rows_of(TextSource(path, block_bytes=block_bytes))[0] == expected


def test_lines_of_skipped_rows_count_blank_ones(write):
    path = write("label,a,b\n\n0,x,y\n\n\n1,x\n\n0,x,y\n")
    assert rows_of(TextSource(path, skip=True), skip=True) == (
        [(3, "0", "x", "y"), (8, "0", "x", "y")],
        [6],
    )


@pytest.mark.parametrize("before", ["", "label,a,b\n", "label,a,b\n" + GOOD])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_blank_lines_without_end_are_refused(write, before, line_end, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.limits.MAX_LINE_BYTES", 4000)
    path = write(before + line_end * 9000 + GOOD, "log.csv.gz")
    line = 1 + before.count("\n")
    for block_bytes in (100, 4000):
        monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", block_bytes)
        for schema in (None, SCHEMA):
            with pytest.raises(ValueError, match=rf"log.csv.gz, line {line}: 4,000 bytes of blank"):
                prepare(path, schema=schema, bad_rows="skip")


SLOTS = Schema([Field("a"), Field("tags", "multivalued", max_slots=50)])


def frame_of(num_rows):
    generator = np.random.default_rng(0)
    tags = ["|".join(f"t{tag}" for tag in generator.integers(0, 9, 3)) for _ in range(num_rows)]
    return pd.DataFrame({"label": generator.integers(0, 2, num_rows), "a": "x\ny", "tags": tags})


@pytest.mark.parametrize("kind", ["text", "frame", "parquet"])
def test_blocks_have_few_rows_where_a_row_becomes_many_ids(tmp_path, kind, monkeypatch):
    frame = frame_of(400)
    log = frame
    if kind == "text":
        log = tmp_path / "log.csv"
        frame.to_csv(log, index=False)
    elif kind == "parquet":
        pytest.importorskip("pyarrow")
        log = tmp_path / "log.parquet"
        frame.to_parquet(log)
    whole = prepare(log, schema=SLOTS)
    expected = np.concatenate([rows.ids for rows in read_rows(log, whole.encoder)])
    monkeypatch.setattr("ctrkit.data.reading.limits.MAX_BLOCK_CELLS", 51 * 30)
    assert most_rows(SLOTS, 3) == 30
    source = FrameSource(frame) if kind == "frame" else None
    if kind == "text":
        source = TextSource(log)
    if source is not None:
        assert max(block.table(()).num_rows for block in source.blocks(SLOTS)) == 30
    found = np.concatenate([rows.ids for rows in read_rows(log, whole.encoder)])
    np.testing.assert_array_equal(found, expected)
    blocks = prepare(log, schema=SLOTS)
    np.testing.assert_array_equal(blocks.train.ids, whole.train.ids)
    assert blocks.encoder.fingerprint == whole.encoder.fingerprint


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"label,a\0,b\n", "line 1: text must not hold a zero byte; is the file UTF-16"),
        (b"\0label,a,b\n", "line 1: text must not hold a zero byte; is the file UTF-16"),
        (b"\xef\xbb\xbf" * 2 + b"label,a,b\n", "line 1: must begin with one byte order mark"),
        (b"\n\nlabel,a,a\n", "line 3: column names must differ, got 'a' twice"),
    ],
)
def test_a_header_of_other_bytes_is_refused(write, header, message):
    path = write(header + GOOD.encode())
    for schema in (None, SCHEMA):
        with pytest.raises(ValueError, match=f"log.csv, {message}"):
            prepare(path, schema=schema)


@pytest.mark.parametrize("content", ["0,secret,2\n1,secret,3\n", "label;a;b\n0;secret;1\n"])
def test_a_first_line_that_names_no_column_is_not_shown(write, content):
    encoder = prepare(write("label,a,b\n" + GOOD, "good.csv")).encoder
    path = write(content)
    for read in (
        lambda: prepare(path, schema=SCHEMA),
        lambda: list(read_rows(path, encoder)),
        lambda: list(read_rows(path, encoder, label="require")),
    ):
        with pytest.raises(
            ValueError, match=r"log.csv: the first line must name the columns, .*, and names none"
        ) as caught:
            read()
        assert "secret" not in str(caught.value)


def test_a_row_that_is_cut_off_is_not_checked():
    rows = list(cut_by_csv('0,x,y\n1,"x\n', LAYOUT, goes_on=True))
    assert rows == [CsvRow(0, 1, ["0", "x", "y"]), CutOffRow(1)]
