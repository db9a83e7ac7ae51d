"""A block of lines into columns: by whole arrays, or by ``csv`` where a line is out of order."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrkit.data.bad_rows import BadRow, BadRowsError
from ctrkit.data.table import Place, Table
from ctrkit.data.tokens import Column, Keys, Tokens, smallest

_NEWLINE = ord("\n")
_RETURN = ord("\r")

_NO_TEXT = re.compile("[\0\udc80-\udcff]")
"""A zero byte, or what the error handler "surrogateescape" makes of a byte that is not UTF-8."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """How the lines of one file are cut into cells.

    Args:
        columns: names of the cells of a line.
        separator: character between two cells.
        quote: character around cells; empty where quotes mean nothing.
    """

    columns: tuple[str, ...]
    separator: str
    quote: str


def csv_options(separator: str, quote: str) -> dict[str, Any]:
    """Return the options by which ``csv.reader`` understands such lines."""
    if not quote:
        return {"delimiter": separator, "quoting": csv.QUOTE_NONE}
    return {"delimiter": separator, "quotechar": quote}


def parse_lines(
    words: Keys, num_bytes: int, layout: Layout, wanted: Collection[str], place: Place
) -> Table:
    """Return the wanted columns of a block of lines.

    Args:
        words: the bytes as 8-byte words, with at least one word of padding.
        num_bytes: bytes in use; the last is a line end.
        layout: how a line is cut.
        wanted: names of the columns to return.
        place: see `Place`.

    Raises:
        BadRowsError: if lines are not text, or have another number of cells.
    """
    data = words.view(np.uint8)[:num_bytes]
    is_text = _is_text(data)
    cells = _cut(words, num_bytes, layout) if is_text else None
    if cells is None:
        if not _has_quotes(data, layout):
            _check_lines(data, layout, is_text, place)
        return _parse_by_csv(data.tobytes(), layout, wanted, place)
    found = {
        name: Column.from_cells(
            cells.words, cells.starts[index], cells.ends[index] - cells.starts[index]
        )
        for index, name in enumerate(layout.columns)
        if name in wanted
    }
    return Table(cells.starts.shape[1], found, lambda: _lines_of_rows(data, layout), place)


def _is_text(data: Bytes) -> bool:
    if data.min() == 0:
        return False
    if data.max() < 0x80:
        return True
    try:
        data.tobytes().decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _has_quotes(data: Bytes, layout: Layout) -> bool:
    return bool(layout.quote) and bool((data == ord(layout.quote)).any())


@dataclass(frozen=True)
class _Cells:
    """Where in `words` the cells start and end, both ``(C, N)``."""

    words: Keys
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]


def _cut(words: Keys, num_bytes: int, layout: Layout) -> _Cells | None:
    """Return the cells; None unless every line is well-formed and has one for each column."""
    data = words.view(np.uint8)[:num_bytes]
    is_newline = data == _NEWLINE
    is_end = data == ord(layout.separator)
    is_end |= is_newline
    is_quote = data == ord(layout.quote) if layout.quote else None
    num_quotes = 0
    if is_quote is not None and is_quote.any():
        is_outside = ~np.bitwise_xor.accumulate(is_quote)
        is_end &= is_outside
        is_newline &= is_outside
        kept = _without_doubled(is_quote)
        if kept is not None:
            words, data = compressed(data, kept)
            is_end, is_newline = is_end[kept], is_newline[kept]
        num_quotes = int(np.count_nonzero(data == ord(layout.quote))) - (
            0 if kept is None else int(np.count_nonzero(~kept))
        )
    flat = np.flatnonzero(is_end)
    num_columns = len(layout.columns)
    if len(flat) % num_columns or not len(flat):
        return None
    ends = np.ascontiguousarray(flat.astype(np.int32).reshape(-1, num_columns).T)
    if not is_newline[ends[-1]].all() or np.count_nonzero(is_newline) != ends.shape[1]:
        return None
    starts = np.empty_like(ends)
    starts[1:] = ends[:-1] + 1
    starts[0, 0] = 0
    starts[0, 1:] = ends[-1, :-1] + 1
    good = _drop_returns(data, starts, ends)
    if good and num_quotes:
        good = _drop_quotes(data, starts, ends, ord(layout.quote), num_quotes)
    return _Cells(words, starts, ends) if good else None


def quotes_in_order(data: Bytes, layout: Layout) -> bool:
    """Return whether every quote opens a cell, closes one, or stands doubled within one.

    Then a line end lies within quotes just where the quotes before it are odd in number.
    """
    if not _has_quotes(data, layout):
        return True
    quote, separator = ord(layout.quote), ord(layout.separator)
    at = np.flatnonzero(data == quote)
    opening, closing = at[0::2], at[1::2]
    before = data[opening[opening > 0] - 1]
    after = data[closing[closing < len(data) - 1] + 1]
    return bool(
        np.isin(before, (separator, _NEWLINE, quote)).all()
        and np.isin(after, (separator, _NEWLINE, _RETURN, quote)).all()
    )


def _without_doubled(is_quote: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """Return a mask without the first of every two quotes that stand for one; None if none do."""
    at = np.flatnonzero(is_quote)
    # Quotes open and close in turn; one that closes and is followed by another stands for it.
    closing = at[1::2]
    following = at[2::2]
    doubled = closing[: len(following)][closing[: len(following)] + 1 == following]
    if not doubled.size:
        return None
    kept = np.ones(len(is_quote), dtype=np.bool_)
    kept[doubled] = False
    return kept


def compressed(data: Bytes, kept: npt.NDArray[np.bool_]) -> tuple[Keys, Bytes]:
    """Return the bytes that are kept, as words with padding and as bytes."""
    num_bytes = int(np.count_nonzero(kept))
    words = np.empty(num_bytes // 8 + 3, dtype="<u8")
    shorter = words.view(np.uint8)[:num_bytes]
    shorter[:] = data[kept]
    return words, shorter


def _drop_returns(data: Bytes, starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32]) -> bool:
    """Leave the return of a CRLF out of the last cells; False if there are other returns."""
    num_returns = np.count_nonzero(data == _RETURN)
    if num_returns:
        has_return = (data[ends[-1] - 1] == _RETURN) & (ends[-1] > starts[-1])
        if np.count_nonzero(has_return) != num_returns:
            return False
        ends[-1] -= has_return
    return True


def _drop_quotes(
    data: Bytes,
    starts: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    quote: int,
    num_quotes: int,
) -> bool:
    """Leave the quotes out of quoted cells; False if there are quotes in other places."""
    is_quoted = (data[starts] == quote) & (ends - starts >= 2)
    if not (data[ends[is_quoted] - 1] == quote).all():
        return False
    if 2 * np.count_nonzero(is_quoted) != num_quotes:
        return False
    starts += is_quoted
    ends -= is_quoted
    return True


def _lines_of_rows(data: Bytes, layout: Layout) -> npt.NDArray[np.int64]:
    """Return the line on which each row of a well-formed block begins, and the number of lines."""
    is_newline = data == _NEWLINE
    is_end = is_newline
    if layout.quote:
        is_end = is_newline & ~np.bitwise_xor.accumulate(data == ord(layout.quote))
    lines = np.searchsorted(np.flatnonzero(is_newline), np.flatnonzero(is_end), side="right")
    return np.concatenate([[0], lines])


def _check_lines(data: Bytes, layout: Layout, is_text: bool, place: Place) -> None:
    """Raise `BadRowsError` where there are bad lines in a block without quotes.

    By whole arrays, for ``csv`` is slow, and there is a bad line in every block of some logs.
    """
    ends = np.flatnonzero(data == _NEWLINE)
    num_separators = np.diff(
        np.searchsorted(np.flatnonzero(data == ord(layout.separator)), ends), prepend=0
    )
    is_odd = data == _RETURN
    is_odd[:-1] &= data[1:] != _NEWLINE
    is_odd |= data == 0
    if not is_text:
        is_odd |= data >= 0x80
    suspect = num_separators != len(layout.columns) - 1
    suspect[np.searchsorted(ends, np.flatnonzero(is_odd))] = True

    def found() -> Iterator[BadRow]:
        for line in np.flatnonzero(suspect).tolist():
            start = ends[line - 1] + 1 if line else 0
            for record in records(data[start : ends[line] + 1].tobytes(), layout):
                if isinstance(record, BadRow):
                    yield BadRow(line, line + 1, record.reason)

    bad = found()
    first = next(bad, None)
    if first is not None:
        raise BadRowsError(place, itertools.chain([first], bad))


@dataclass(frozen=True, slots=True)
class Record:
    """Some lines that are one row.

    Args:
        start: first of its lines.
        end: the line after its last.
        cells: its cells, of which there are as many as columns; blank lines have none.
    """

    start: int
    end: int
    cells: list[str]


def records(data: bytes, layout: Layout, *, goes_on: bool = False) -> Iterator[Record | BadRow]:
    """Cut lines into rows by ``csv``.

    Where quotes are not closed, or stand where none may be, the row is bad, and only its first
    line is taken for it: the next line begins another, so that one quote too many does not cost
    the rest of the file. A row that is well-formed but not as it must be is bad with all its lines.

    Args:
        data: whole lines.
        layout: how a line is cut.
        goes_on: more lines follow, so that a row of which the end is missing may not be bad; the
            last rows are left out from there on, unless it is the first.
    """
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    is_text = _NO_TEXT.search(text) is None
    stream = io.StringIO(text, newline="\n")
    hint = '; if quotes mean nothing in this file, set quote = "" in the schema'
    start = position = 0
    while position < len(text):
        first = start
        reader = csv.reader(
            iter(stream.readline, ""), strict=True, **csv_options(layout.separator, layout.quote)
        )
        try:
            for cells in reader:
                end = first + reader.line_num
                yield _judged(Record(start, end, cells), len(layout.columns), is_text)
                start, position = end, stream.tell()
        except csv.Error as error:
            if goes_on and start and stream.tell() == len(text):
                return
            yield BadRow(start, start + 1, f"{error}{hint * bool(layout.quote)}")
            stream.seek(position)
            stream.readline()
            start, position = start + 1, stream.tell()


def _judged(record: Record, num_columns: int, is_text: bool) -> Record | BadRow:
    cells = record.cells or [""] * (num_columns == 1)
    no_text = None if is_text else _NO_TEXT.search("".join(cells))
    if no_text and no_text[0] == "\0":
        reason = "text must not hold a zero byte; is the file UTF-16?"
    elif no_text:
        byte = ord(no_text[0]) - 0xDC00
        reason = f"text must be UTF-8, got byte 0x{byte:02x}; convert the file first"
    elif cells and len(cells) != num_columns:
        reason = f"must have {num_columns} columns, got {len(cells)}"
    else:
        return Record(record.start, record.end, cells)
    return BadRow(record.start, record.end, reason)


def _parse_by_csv(data: bytes, layout: Layout, wanted: Collection[str], place: Place) -> Table:
    """Do the same slowly; this also skips blank lines, and finds the lines that are wrong."""
    rows: list[list[str]] = []
    lines: list[int] = []
    num_lines = 0
    found = records(data, layout)
    for record in found:
        if isinstance(record, BadRow):
            others = (other for other in found if isinstance(other, BadRow))
            raise BadRowsError(place, itertools.chain([record], others))
        if record.cells:
            rows.append(record.cells)
            lines.append(record.start)
        num_lines = record.end
    columns = {}
    for index, name in enumerate(layout.columns):
        if name in wanted:
            codes, texts = _distinct([row[index] for row in rows])
            columns[name] = Column(smallest(codes, len(texts)), Tokens.from_texts(texts))
    return Table(len(rows), columns, lambda: np.array([*lines, num_lines]), place)


def _distinct(texts: list[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return the distinct texts in order of appearance, and for each text which of them it is."""
    known: dict[str, int] = {}
    codes = np.fromiter(
        (known.setdefault(text, len(known)) for text in texts), dtype=np.int64, count=len(texts)
    )
    return codes, list(known)
