"""A block of lines into columns: by whole arrays, or by ``csv`` if a line is irregular."""

from __future__ import annotations

import functools
import itertools
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import Column, Keys, Tokens, smallest
from ctrkit.data.reading import limits
from ctrkit.data.reading.bad_rows import BadRow, BadRowsError
from ctrkit.data.reading.blocks import Place, Table
from ctrkit.data.reading.text.records import Dialect, records

_NEWLINE = ord("\n")
_RETURN = ord("\r")

Bytes = npt.NDArray[np.uint8]

_NO_LINES = np.empty(0, dtype=np.int64)


def parse_lines(
    words: Keys, num_bytes: int, dialect: Dialect, wanted: Collection[str], place: Place
) -> Table:
    """Return the wanted columns of a block of lines.

    Args:
        words: the bytes as 8-byte words, with at least one word of padding.
        num_bytes: bytes in use; the last is a line end.
        dialect: how a line is cut.
        wanted: names of the columns to return.
        place: see `Place`.

    Raises:
        BadRowsError: if lines are not text, have another number of cells, or too long ones.
    """
    data = words.view(np.uint8)[:num_bytes]
    is_text = _is_text(data)
    cells = _cut(words, num_bytes, dialect) if is_text else None
    if cells is None and not has_quotes(data, dialect):
        _check_lines(data, dialect, is_text, place)
    if cells is None or cells.are_too_long():
        return _parse_by_csv(data.tobytes(), dialect, wanted, place)
    found = {
        name: Column.from_cells(
            cells.words, cells.starts[index], cells.ends[index] - cells.starts[index]
        )
        for index, name in enumerate(dialect.columns)
        if name in wanted
    }
    # Drop the other cells, which are no longer needed.
    lines = functools.partial(_lines_of_rows, cells.words, cells.num_bytes, cells.starts[0].copy())
    return Table(cells.starts.shape[1], found, lines, place)


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


def has_quotes(data: Bytes, dialect: Dialect) -> bool:
    """Return whether there is a quote that matters."""
    return bool(dialect.quote) and bool((data == ord(dialect.quote)).any())


@dataclass(frozen=True)
class _Cells:
    """Where in the first bytes of `words` the cells start and end, both ``(C, N)``."""

    words: Keys
    num_bytes: int
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]

    def are_too_long(self) -> bool:
        """Return whether a cell or a row is too long."""
        if self.num_bytes <= limits.MAX_CELL_BYTES:
            return False
        lengths = map(_longest, self.starts, self.ends)
        is_long_row = _longest(self.starts[0], self.ends[-1]) > limits.MAX_LINE_BYTES
        return is_long_row or max(lengths) > limits.MAX_CELL_BYTES


def _longest(starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32]) -> int:
    return int((ends - starts).max(initial=0))


def _cut(words: Keys, num_bytes: int, dialect: Dialect) -> _Cells | None:
    """Return the cells; None unless every line is well-formed with one cell per column."""
    data = words.view(np.uint8)[:num_bytes]
    is_newline = data == _NEWLINE
    is_end = data == ord(dialect.separator)
    is_end |= is_newline
    is_quote = data == ord(dialect.quote) if dialect.quote else None
    num_quotes = 0
    if is_quote is not None and is_quote.any():
        is_outside = ~np.bitwise_xor.accumulate(is_quote)
        is_end &= is_outside
        is_newline &= is_outside
        kept = _without_doubled(is_quote)
        if kept is not None:
            words, data = compressed(data, kept)
            is_end, is_newline = is_end[kept], is_newline[kept]
        num_quotes = int(np.count_nonzero(data == ord(dialect.quote))) - (
            0 if kept is None else int(np.count_nonzero(~kept))
        )
    num_columns = len(dialect.columns)
    blank = _NO_LINES
    ends = _ends_of_rows(is_end, is_newline, num_columns)
    if ends is None and num_columns > 1:  # else a blank line is a row with a missing cell
        blank = _blank_lines(data, is_newline)
        is_end[blank] = is_newline[blank] = False
        ends = _ends_of_rows(is_end, is_newline, num_columns) if blank.size else None
    if ends is None:
        return None
    starts = _starts_of_cells(ends, blank)
    good = _drop_returns(data, starts, ends, blank)
    if good and num_quotes:
        good = _drop_quotes(data, starts, ends, ord(dialect.quote), num_quotes)
    return _Cells(words, len(data), starts, ends) if good else None


def _ends_of_rows(
    is_end: npt.NDArray[np.bool_], is_newline: npt.NDArray[np.bool_], num_columns: int
) -> npt.NDArray[np.int32] | None:
    """Return where the cells end, ``(C, N)``; None unless each line has one for each column."""
    flat = np.flatnonzero(is_end)
    if len(flat) % num_columns:
        return None
    ends = np.ascontiguousarray(flat.astype(np.int32).reshape(-1, num_columns).T)
    if not is_newline[ends[-1]].all() or np.count_nonzero(is_newline) != ends.shape[1]:
        return None
    return ends


def _blank_lines(data: Bytes, is_newline: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the ends of the blank lines."""
    is_blank = is_newline.copy()
    is_blank[1:] &= is_newline[:-1]
    if (data == _RETURN).any():
        is_return = data == _RETURN
        is_return[1:] &= is_newline[:-1]  # the first of its line
        is_blank[1:] |= is_newline[1:] & is_return[:-1]
    return np.flatnonzero(is_blank)


def _starts_of_cells(
    ends: npt.NDArray[np.int32], blank: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    starts = np.empty_like(ends)
    starts[1:] = ends[:-1] + 1
    if ends.size:
        starts[0, 0] = 0
        starts[0, 1:] = ends[-1, :-1] + 1
        # A row begins after the last of the blank lines before it, which is assigned last.
        rows = np.searchsorted(ends[-1], blank)
        is_before_row = rows < ends.shape[1]
        starts[0, rows[is_before_row]] = blank[is_before_row] + 1
    return starts


def quotes_in_order(data: Bytes, dialect: Dialect) -> bool:
    """Return whether every quote opens a cell, closes one, or is doubled within one.

    Then a line end lies within quotes exactly if an odd number of quotes precedes it.
    """
    if not has_quotes(data, dialect):
        return True
    quote, separator = ord(dialect.quote), ord(dialect.separator)
    at = np.flatnonzero(data == quote)
    opening, closing = at[0::2], at[1::2]
    before = data[opening[opening > 0] - 1]
    following = closing[closing < len(data) - 1] + 1
    after = data[following]
    returns = following[after == _RETURN]
    return bool(
        np.isin(before, (separator, _NEWLINE, quote)).all()
        and np.isin(after, (separator, _NEWLINE, _RETURN, quote)).all()
        and (data[returns[returns < len(data) - 1] + 1] == _NEWLINE).all()
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


def _drop_returns(
    data: Bytes,
    starts: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    blank: npt.NDArray[np.int64],
) -> bool:
    """Leave the return of a CRLF out of the last cells; False if there are other returns."""
    num_returns = np.count_nonzero(data == _RETURN)
    if num_returns:
        has_return = (data[ends[-1] - 1] == _RETURN) & (ends[-1] > starts[-1])
        num_blank = np.count_nonzero(data[blank[blank > 0] - 1] == _RETURN)
        if np.count_nonzero(has_return) + num_blank != num_returns:
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


def _lines_of_rows(
    words: Keys, num_bytes: int, starts: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Return the line on which each row begins, and the number of lines."""
    newlines = np.flatnonzero(words.view(np.uint8)[:num_bytes] == _NEWLINE)
    return np.append(np.searchsorted(newlines, starts), len(newlines))


def _check_lines(data: Bytes, dialect: Dialect, is_text: bool, place: Place) -> None:
    """Raise `BadRowsError` if a block without quotes has bad lines.

    By whole arrays: ``csv`` is slow, and some logs have a bad line in every block.
    """
    ends = np.flatnonzero(data == _NEWLINE)
    num_separators = np.diff(
        np.searchsorted(np.flatnonzero(data == ord(dialect.separator)), ends), prepend=0
    )
    is_odd = data == _RETURN
    is_odd[:-1] &= data[1:] != _NEWLINE
    is_odd |= data == 0
    if not is_text:
        is_odd |= data >= 0x80
    lengths = np.diff(ends, prepend=-1) - 1
    suspect = num_separators != len(dialect.columns) - 1
    suspect &= (lengths > 1) | ((lengths == 1) & (data[ends - 1] != _RETURN))  # not blank
    suspect |= lengths > limits.MAX_CELL_BYTES
    suspect[np.searchsorted(ends, np.flatnonzero(is_odd))] = True

    def found() -> Iterator[BadRow]:
        for line in np.flatnonzero(suspect).tolist():
            start = ends[line - 1] + 1 if line else 0
            for record in records(data[start : ends[line] + 1].tobytes(), dialect):
                if isinstance(record, BadRow):
                    yield BadRow(line, line + 1, record.reason)

    bad = found()
    first = next(bad, None)
    if first is not None:
        raise BadRowsError(place, itertools.chain([first], bad))


def _parse_by_csv(data: bytes, dialect: Dialect, wanted: Collection[str], place: Place) -> Table:
    """Do the same slowly; find bad lines, and handle quotes in odd places."""
    columns = [
        (index, _Distinct(name)) for index, name in enumerate(dialect.columns) if name in wanted
    ]
    lines = array("q")
    num_lines = 0
    found = records(data, dialect)
    for record in found:
        if isinstance(record, BadRow):
            others = (other for other in found if isinstance(other, BadRow))
            raise BadRowsError(place, itertools.chain([record], others))
        if record.cells:
            for index, column in columns:
                column.add(record.cells[index])
            lines.append(record.start)
        num_lines = record.end
    tables = {column.name: column.column() for _, column in columns}
    return Table(len(lines), tables, lambda: np.array([*lines, num_lines]), place)


class _Distinct:
    """Texts, stored as distinct texts and codes, which takes less memory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: dict[str, int] = {}
        self._codes = array("I")

    def add(self, text: str) -> None:
        """Take the text of the next row."""
        self._codes.append(self._known.setdefault(text, len(self._known)))

    def column(self) -> Column:
        """Return all of them."""
        codes = np.array(self._codes, dtype=np.uint32)
        return Column(smallest(codes, len(self._known)), Tokens.from_texts(list(self._known)))
