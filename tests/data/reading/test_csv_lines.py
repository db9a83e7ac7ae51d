"""Lines into columns: the fast way, the slow way, and what is refused."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrkit.data.reading.text import csv_lines
from ctrkit.data.reading.text.csv_lines import parse_lines
from ctrkit.data.reading.text.records import Dialect

COLUMNS = ("a", "b", "c")
cells = st.text(alphabet='x1é,"\n\t ;', max_size=12)
tables = st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=12)


def parse(text, columns=COLUMNS, separator=",", quote='"', wanted=None):
    data = text if isinstance(text, bytes) else text.encode()
    words = np.zeros(len(data) // 8 + 2, dtype="<u8")
    words.view(np.uint8)[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    dialect = Dialect(columns, separator, quote)
    return parse_lines(
        words, len(data), dialect, wanted or columns, lambda line: f"line {line + 1}"
    )


def texts(table, name):
    column = table.columns[name]
    distinct = column.tokens.texts()
    return [distinct[code] for code in column.codes]


def rows(table):
    return [list(row) for row in zip(*(texts(table, name) for name in table.columns), strict=True)]


@given(tables, st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", "\t"]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_reads_what_a_csv_writer_wrote(table, line_end, separator):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, lineterminator=line_end).writerows(table)
    parsed = parse(stream.getvalue(), separator=separator)
    assert rows(parsed) == table
    line = 1
    for start, expected in zip(parsed.lines()[:-1], table, strict=True):
        assert parsed.place(start) == f"line {line}"
        line += 1 + sum(cell.count("\n") for cell in expected)


@given(tables)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_fast_way_is_taken_for_all_that_a_csv_writer_writes(table):
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(table)
    data = stream.getvalue().encode()
    words = np.frombuffer(data + bytes(-len(data) % 8 + 8), dtype="<u8")
    assert csv_lines._cut(words, len(data), Dialect(COLUMNS, ",", '"')) is not None


@given(st.text(alphabet='xy,"\r\n', max_size=30))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_both_ways_agree_on_any_text(text):
    data = (text + "\n").encode()
    words = np.frombuffer(data + bytes(-len(data) % 8 + 8), dtype="<u8")
    dialect = Dialect(COLUMNS, ",", '"')
    if csv_lines._cut(words, len(data), dialect) is None:
        return
    fast = parse(data)
    slow = csv_lines._parse_by_csv(data, dialect, COLUMNS, lambda line: f"line {line + 1}")
    assert rows(fast) == rows(slow)
    assert fast.lines().tolist() == slow.lines().tolist()


def test_quotes_mean_nothing_where_there_is_no_quote_character():
    assert rows(parse('"a,b",c"\n', quote="")) == [['"a', 'b"', 'c"']]


def test_a_quote_in_the_middle_of_a_cell_is_itself():
    assert rows(parse('5" screen,b,c\nd,e,f\n')) == [['5" screen', "b", "c"], ["d", "e", "f"]]


def test_blank_lines_are_skipped():
    table = parse("1,2,3\n\n4,5,6\n\n")
    assert rows(table) == [["1", "2", "3"], ["4", "5", "6"]]
    assert table.lines().tolist() == [0, 2, 4]


def test_a_blank_line_of_a_single_column_is_a_missing_cell():
    assert rows(parse("1\n\n2\n", columns=("a",))) == [["1"], [""], ["2"]]


def test_only_wanted_columns_are_made():
    assert list(parse("1,2,3\n", wanted=("b",)).columns) == ["b"]


@pytest.mark.parametrize("quoted", ["", '"x,y",1,2\n'])
def test_a_line_with_another_number_of_columns_is_named(quoted):
    number = 3 if quoted else 2
    with pytest.raises(ValueError, match=rf"line {number}: must have 3 columns, got 2"):
        parse(quoted + "1,2,3\n4,5\n1,2,3\n")


def test_two_lines_whose_cells_add_up_are_refused():
    with pytest.raises(ValueError, match="line 1: must have 3 columns, got 2"):
        parse("1,2\n3,4,5,6\n")


def test_a_byte_that_is_not_utf8_is_named():
    with pytest.raises(ValueError, match=r"line 2: text must be UTF-8, got byte 0xe9"):
        parse(b"1,2,3\n4,caf\xe9,6\n")


def test_a_zero_byte_is_named():
    with pytest.raises(ValueError, match=r"line 2: text must not hold a zero byte; is the file"):
        parse(b"1,2,3\n4,\x005,6\n")


def test_a_quote_that_is_not_closed_is_named():
    with pytest.raises(
        ValueError,
        match="line 2: a quote opens a cell and is not closed within 65,536 bytes; if quotes mean",
    ):
        parse('1,2,3\n"4,5,6\n')


def test_a_return_in_the_middle_of_a_line_is_named():
    with pytest.raises(ValueError, match="line 2: a return stands alone in a cell"):
        parse("1,2,3\n4,5\r,6\n")
