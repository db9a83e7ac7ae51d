"""Unpacked bytes into pieces of whole rows: of bounded size, with lines of bounded length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import Keys
from ctrkit.data.reading import limits
from ctrkit.data.reading.bad_rows import BadRow
from ctrkit.data.reading.raw import Unpacked
from ctrkit.data.reading.text.csv_lines import Bytes, has_quotes, quotes_in_order
from ctrkit.data.reading.text.records import CutOffRow, Dialect, as_text, cut_by_csv

_NEWLINE = ord("\n")
_RETURN = ord("\r")


@dataclass(frozen=True)
class Piece:
    """Whole lines.

    Args:
        words: the bytes, as 8-byte words, with at least one word of padding.
        num_bytes: how many bytes are in use; the last is a line end.
        line: number of the first line in the file, from 1.
    """

    words: Keys
    num_bytes: int
    line: int

    @property
    def data(self) -> Bytes:
        """The bytes."""
        return self.words.view(np.uint8)[: self.num_bytes]

    def cut(self, start: int, end: int) -> Piece:
        """Return some of the bytes."""
        data = self.data
        words = np.empty((end - start) // 8 + 3, dtype="<u8")
        words.view(np.uint8)[: end - start] = data[start:end]
        return Piece(words, end - start, self.line + num_lines(data[:start]))


def num_lines(data: Bytes) -> int:
    """Return how many lines end."""
    return int(np.count_nonzero(data == _NEWLINE))


def whole_rows(
    file: Unpacked, block_bytes: int, dialect: Dialect, name: str, *, skip: bool
) -> Iterator[Piece]:
    """Return the lines of a file in pieces of about `block_bytes`, each of whole rows.

    Args:
        file: the file.
        block_bytes: bytes that are read at a time.
        dialect: how a line is cut; the columns do not matter.
        name: of the file, for messages.
        skip: bad rows will be left out: where a quote is never closed, the next line begins a row.

    Raises:
        ValueError: if a line or a row is too long; or if a quote is never closed and rows are not
            left out.
    """
    carry = b""
    line = 1
    blank = _BlankLines(name)
    while True:
        words = np.empty((len(carry) + block_bytes) // 8 + 3, dtype="<u8")
        buffer = words.view(np.uint8)
        buffer[: len(carry)] = np.frombuffer(carry, dtype=np.uint8)
        end = len(carry) + file.fill(buffer.data[len(carry) : len(carry) + block_bytes])
        is_last = end < len(carry) + block_bytes
        if is_last and end and buffer[end - 1] != _NEWLINE:
            buffer[end] = _NEWLINE
            end += 1
        data = buffer[:end]
        too_long = _line_too_long(data)
        if is_last and too_long is None:
            cut, wrong = end, None
        else:
            cut, wrong = _last_row_end(data[:too_long], dialect, stop=not skip)
        if cut:
            blank.check(data[:cut], line)
            yield Piece(words, cut, line)
        if wrong is not None:
            number = line + num_lines(data[:cut]) + wrong.start
            raise ValueError(f"{name}, line {number}: {wrong.reason}")
        if too_long is not None:
            most = limits.shown_size(limits.MAX_LINE_BYTES)
            number = line + num_lines(data[:too_long])
            raise ValueError(
                f"{name}, line {number}: a line must have at most {most}, got more; is it text?"
            )
        if is_last:
            return
        line += num_lines(data[:cut])
        carry = data[cut:].tobytes()


class _BlankLines:
    """Refuses endless blank lines, which a small compressed file may hold."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._line = 1
        self._num_bytes = 0

    def check(self, data: Bytes, line: int) -> None:
        """Raise ``ValueError`` if the lines do not come to an end.

        Args:
            data: the next whole lines.
            line: number of the first.
        """
        before, after = _num_blank(data), _num_blank(data[::-1])
        if not self._num_bytes:
            self._line = line
        self._num_bytes += before
        if self._num_bytes >= limits.MAX_LINE_BYTES:
            most = limits.shown_size(limits.MAX_LINE_BYTES)
            where = f"{self._name}, line {self._line}"
            raise ValueError(f"{where}: {most} of blank lines begin here; is this a log?")
        if before < len(data):
            # The first of the line ends is that of a row.
            begin = len(data) - after
            end_of_row = begin + int(np.argmax(data[begin:] == _NEWLINE)) + 1
            self._num_bytes = len(data) - end_of_row
            self._line = line + num_lines(data[:end_of_row]) if self._num_bytes else 0


def _num_blank(data: Bytes) -> int:
    """Return how many line ends the bytes begin with."""
    size = 16
    while True:
        is_text = (data[:size] != _NEWLINE) & (data[:size] != _RETURN)
        if is_text.any():
            return int(np.argmax(is_text))
        if size >= len(data):
            return len(data)
        size *= 16


def _last_newline(data: Bytes, start: int, end: int) -> int:
    """Return the place of the last line end before `end`, -1 if there is none from `start` on."""
    size = 1 << 12
    while end > start:
        low = max(start, end - size)
        found = np.flatnonzero(data[low:end] == _NEWLINE)
        if found.size:
            return low + int(found[-1])
        end, size = low, 4 * size
    return -1


def _line_too_long(data: Bytes) -> int | None:
    """Return where the first line begins that is too long, None if there is none."""
    start = 0
    while len(data) - start > limits.MAX_LINE_BYTES:
        newline = _last_newline(data, start, start + limits.MAX_LINE_BYTES + 1)
        if newline < 0:
            return start
        start = newline + 1
    return None


def _last_row_end(data: Bytes, dialect: Dialect, *, stop: bool) -> tuple[int, BadRow | None]:
    """Return the end of the last whole row of lines that go on, 0 if there is none.

    Args:
        data: the lines, of which the last may be cut off.
        dialect: how a line is cut.
        stop: end before the first row that is wrong, and return that as well, as the line to look
            at, counted from the end.
    """
    last_line = _last_newline(data, 0, len(data)) + 1
    if not has_quotes(data, dialect):
        return last_line, None
    start = 0
    if quotes_in_order(data, dialect):
        ends = np.flatnonzero(newlines_outside(data, dialect.quote))
        start = int(ends[-1]) + 1 if ends.size else 0
        if len(data) - start <= limits.MAX_CELL_BYTES:
            return start, None
    is_end, wrong = _row_ends_by_csv(data[start:last_line], dialect, goes_on=True, stop=stop)
    ends = np.flatnonzero(is_end)
    return start + (int(ends[-1]) + 1 if ends.size else 0), wrong


def _row_ends_by_csv(
    data: Bytes, dialect: Dialect, *, goes_on: bool = False, stop: bool
) -> tuple[npt.NDArray[np.bool_], BadRow | None]:
    """Return which bytes are ends of rows, as ``csv`` sees it.

    Counting quotes finds no line end after a single quote in the middle of a cell, where it means
    nothing, nor after one that is never closed.

    Args:
        data: whole lines.
        dialect: how a line is cut.
        goes_on: more lines follow, which the last row may need.
        stop: end before the first row that is wrong, and return that as well, as the line to look
            at, counted from the end.
    """
    newlines = np.flatnonzero(data == _NEWLINE)
    is_last_line = np.ones(len(newlines), dtype=np.bool_)
    wrong: BadRow | None = None
    text = as_text(data.tobytes())
    for row in cut_by_csv(text, dialect, goes_on=goes_on, only_quoted=True):
        if isinstance(row, CutOffRow):
            is_last_line[row.start :] = False
        elif stop and isinstance(row, BadRow):
            is_last_line[row.start :] = False
            wrong = BadRow(row.offset, row.offset + 1, row.reason)
            break
        else:
            is_last_line[row.start : row.end - 1] = False
    is_end = np.zeros(len(data), dtype=np.bool_)
    is_end[newlines[is_last_line]] = True
    return is_end, wrong


def newlines_outside(data: Bytes, quote: str) -> npt.NDArray[np.bool_]:
    """Return which bytes are line ends that do not lie within quotes."""
    is_newline: npt.NDArray[np.bool_] = data == _NEWLINE
    if quote:
        is_quote = data == ord(quote)
        if is_quote.any():
            is_newline &= ~np.bitwise_xor.accumulate(is_quote)
    return is_newline


def few_rows(piece: Piece, dialect: Dialect, max_rows: int, *, skip: bool) -> Iterator[Piece]:
    """Return a piece in pieces of whole rows, none of which has more rows than that.

    Args:
        piece: the rows.
        dialect: how a line is cut.
        max_rows: the most rows of a piece.
        skip: bad rows will be left out; if not, all from the first with wrong quotes on is one.
    """
    data = piece.data
    if num_lines(data) <= max_rows:
        if len(data):
            yield piece
        return
    start = 0
    if quotes_in_order(data, dialect):
        is_end = newlines_outside(data, dialect.quote)
    else:
        is_end, _ = _row_ends_by_csv(data, dialect, stop=not skip)
    ends = np.flatnonzero(is_end) + 1
    for end in ends[max_rows - 1 :: max_rows].tolist():
        yield piece.cut(start, end)
        start = end
    if start < len(data):
        yield piece.cut(start, len(data))
