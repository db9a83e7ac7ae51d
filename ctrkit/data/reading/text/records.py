"""Lines into rows one by one, by ``csv``: slow, for lines that whole arrays cannot cut."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from ctrkit.data.reading import limits
from ctrkit.data.reading.bad_rows import BadRow

_NO_TEXT = re.compile("[\0\udc80-\udcff]")
"""A zero byte, or what the error handler "surrogateescape" makes of a byte that is not UTF-8."""

_LINE_END = re.compile(r"\r*(?:\n|\Z)")


@dataclass(frozen=True)
class Dialect:
    """How the lines of one file are cut into cells.

    Args:
        columns: names of the cells of a line.
        separator: character between two cells.
        quote: character around cells; empty if quotes are ordinary characters.
    """

    columns: tuple[str, ...]
    separator: str
    quote: str


@dataclass(frozen=True, slots=True)
class CsvRow:
    """Some lines that are one row.

    Args:
        start: first of its lines.
        end: the line after its last.
        cells: its cells; blank lines have none.
    """

    start: int
    end: int
    cells: list[str]


def records(data: bytes, dialect: Dialect) -> Iterator[CsvRow | BadRow]:
    """Cut lines into rows, and mark bad ones, like `cut_by_csv`.

    A well-formed row that breaks a rule, such as the number of cells, is bad with all its lines.
    """
    text = as_text(data)
    is_text = _NO_TEXT.search(text) is None
    for record in cut_by_csv(text, dialect):
        if isinstance(record, CsvRow):
            yield checked_row(record, len(dialect.columns), is_text=is_text)
        elif isinstance(record, BadRow):
            yield record


def as_text(data: bytes) -> str:
    """Return lines as text in which every line ends in a plain newline, for any bytes."""
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def checked_row(record: CsvRow, num_columns: int, *, is_text: bool = False) -> CsvRow | BadRow:
    """Return a row, or what is wrong with it.

    Args:
        record: the row.
        num_columns: cells that it must have.
        is_text: its bytes are known to be text.
    """
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
        return CsvRow(record.start, record.end, cells)
    return BadRow(record.start, record.end, reason)


@dataclass(frozen=True, slots=True)
class CutOffRow:
    """The last row, of which the end is missing.

    Args:
        start: first of its lines.
    """

    start: int


def cut_by_csv(
    text: str, dialect: Dialect, *, goes_on: bool = False, only_quoted: bool = False
) -> Iterator[CsvRow | BadRow | CutOffRow]:
    """Cut lines into rows, of any number of cells, by ``csv``.

    A row with a quote that is not closed or is misplaced, or with too long a cell, is bad. Only its
    first line counts as the row and the next line begins another, so that one stray quote does not
    cost the rest of the file.

    Args:
        text: whole lines, see `as_text`.
        dialect: how a line is cut.
        goes_on: more lines follow, so that an incomplete last row is not bad.
        only_quoted: leave out the rows without a quote, each of which is one line.
    """
    lines = _Lines(text, dialect, only_quoted=only_quoted)
    wasted = 0
    while lines.begin_row():
        reader = csv.reader(lines, strict=True, **_csv_options(dialect))
        try:
            for cells in reader:
                if lines.row_length > limits.MAX_CELL_BYTES // 4 and any(
                    map(limits.is_too_long, cells)
                ):
                    raise csv.Error
                yield CsvRow(lines.row_line, lines.line, cells)
                if not lines.begin_row():
                    return
        except csv.Error:
            # The limit of ``csv`` is the whole process's, and is not ours for a row.
            found = _read_row(text, lines.row, lines.row_line, dialect)
        except _RowTooLongError:
            found = _ReadRow(_row_too_long(lines.row_line, dialect), lines.at)
        if found.is_cut_off and goes_on:
            yield CutOffRow(lines.row_line)
            return
        next_at = found.end
        if isinstance(found.row, BadRow):
            next_at = _line_end(text, lines.row)
            wasted += max(lines.row_length, found.end - lines.row)
            # Quotes that pair up wrongly are read twice at most, however many there are.
            if wasted > len(text) + limits.MAX_LINE_BYTES:
                end = lines.row_line + text.count("\n", lines.row)
                reason = f"too many quotes are opened and not closed{_hint(dialect)}"
                yield BadRow(lines.row_line, end, reason)
                return
        yield found.row
        lines.go_on(found.row.end, next_at)


class _RowTooLongError(Exception):
    """Raised through ``csv``, which has no limit for a row."""


class _Lines:
    """The lines of a text, of which a row takes as many as ``csv`` asks for.

    Args:
        text: whole lines.
        dialect: how a line is cut.
        only_quoted: leave out the rows without a quote.

    Attributes:
        at: where the next line begins.
        line: its number.
        row: where the row begins that was begun last.
        row_line: the number of its first line.
    """

    def __init__(self, text: str, dialect: Dialect, *, only_quoted: bool) -> None:
        self.at = self.line = self.row = self.row_line = 0
        self._text = text
        self._separator = dialect.separator
        self._quote = dialect.quote if only_quoted else ""
        self._num_cells = 0

    @property
    def row_length(self) -> int:
        """How many characters of the row were read."""
        return self.at - self.row

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        at = self.at
        if at >= len(self._text):
            raise StopIteration
        self.at = _line_end(self._text, at)
        self.line += 1
        if at > self.row:
            self._num_cells += self._text.count(self._separator, at, self.at)
            if self.row_length > limits.MAX_LINE_BYTES or self._num_cells > limits.MAX_ROW_CELLS:
                raise _RowTooLongError
        return self._text[at : self.at]

    def begin_row(self) -> bool:
        """Begin the next row where the last has ended, and return whether there is one."""
        if self._quote:
            quote = self._text.find(self._quote, self.at)
            end = len(self._text)
            start = self._text.rfind("\n", self.at, quote) + 1 if quote >= 0 else end
            if start > self.at:
                self.go_on(self.line + self._text.count("\n", self.at, start), start)
        self.row, self.row_line, self._num_cells = self.at, self.line, 0
        return self.at < len(self._text)

    def go_on(self, line: int, at: int) -> None:
        """Let a line be the next."""
        self.line, self.at = line, at


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _csv_options(dialect: Dialect) -> dict[str, Any]:
    if not dialect.quote:
        return {"delimiter": dialect.separator, "quoting": csv.QUOTE_NONE}
    return {"delimiter": dialect.separator, "quotechar": dialect.quote}


class _ReadRow(NamedTuple):
    row: CsvRow | BadRow
    end: int
    is_cut_off: bool = False


class _WrongCellError(Exception):
    """A cell that does not end, or ends wrongly.

    Args:
        reason: what is wrong.
        at: where to look at it.
        end: how far it was read.
        is_cut_off: more text might make it right.
    """

    def __init__(self, reason: str, at: int, end: int, *, is_cut_off: bool = False) -> None:
        super().__init__(reason)
        self.at = at
        self.end = end
        self.is_cut_off = is_cut_off


def _read_row(text: str, start: int, line: int, dialect: Dialect) -> _ReadRow:
    """Read one row like ``csv``, with the limits of `limits`; or say what is wrong with it.

    Args:
        text: whole lines.
        start: where the row begins.
        line: the number of its first line.
        dialect: how a line is cut.
    """
    cells: list[str] = []
    at = start
    try:
        while True:
            cell, at = _read_cell(text, at, dialect, row=start)
            cells.append(cell)
            if at - start > limits.MAX_LINE_BYTES or len(cells) > limits.MAX_ROW_CELLS:
                return _ReadRow(_row_too_long(line, dialect), at)
            if not text.startswith(dialect.separator, at):
                break
            at += 1
        end = _LINE_END.match(text, at)
        if end is None:
            raise _WrongCellError(
                "a return stands alone in a cell; convert line ends to newlines first", start, at
            )
    except _WrongCellError as error:
        row = BadRow(line, line + 1, str(error), text.count("\n", start, error.at))
        return _ReadRow(row, error.end, error.is_cut_off)
    is_blank = at == start
    last = line + text.count("\n", start, end.end())
    return _ReadRow(CsvRow(line, last, [] if is_blank else cells), end.end())


def _row_too_long(line: int, dialect: Dialect) -> BadRow:
    most = f"{limits.shown_size(limits.MAX_LINE_BYTES)} and {limits.MAX_ROW_CELLS:,} cells"
    reason = f"a row of several lines must have at most {most}{_hint(dialect)}"
    return BadRow(line, line + 1, reason)


def _read_cell(text: str, at: int, dialect: Dialect, *, row: int) -> tuple[str, int]:
    """Return the cell that begins at a place, and where it ends; `row` is where its row begins.

    Raises:
        _WrongCellError: if it is too long, or what follows its quotes is no end of a cell.
    """
    quoted, plain = _cell_patterns(dialect.separator, dialect.quote)
    most = limits.shown_size(limits.MAX_CELL_BYTES)
    if not (dialect.quote and text.startswith(dialect.quote, at)):
        end = plain.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if limits.is_too_long(text[at:end]):
            size = len(text[at:end].encode("utf-8", "surrogateescape"))
            reason = f"a cell must have at most {most}, got {size:,} bytes"
            raise _WrongCellError(reason, at, end)
        return text[at:end], end
    last = at + 2 * limits.MAX_CELL_BYTES + 2  # two quotes may stand for each character
    found = quoted.match(text, at, last)
    if found and text.startswith(dialect.quote, found.end()):
        found = None  # `last` lies between two quotes that stand for one
    cell = found[1].replace(2 * dialect.quote, dialect.quote) if found else ""
    if found is None or limits.is_too_long(cell):
        reason = f"a quote opens a cell and is not closed within {most}{_hint(dialect)}"
        is_cut_off = found is None and last > len(text)
        raise _WrongCellError(reason, at, min(last, len(text)), is_cut_off=is_cut_off)
    if text[found.end() : found.end() + 1] not in (dialect.separator, "\n", "\r", ""):
        reason = f"{dialect.separator!r} expected after {dialect.quote!r}{_hint(dialect)}"
        raise _WrongCellError(reason, row, found.end())
    return cell, found.end()


def _hint(dialect: Dialect) -> str:
    hint = '; if quotes mean nothing in this file, set quote = "" in the schema'
    return hint if dialect.quote else ""


@functools.lru_cache(maxsize=8)
def _cell_patterns(separator: str, quote: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what a cell within quotes looks like, and one without."""
    mark = re.escape(quote or "\0")
    # Possessive, so that half of a doubled quote is never taken for the closing one.
    quoted = re.compile(f"{mark}([^{mark}]*+(?:{mark}{mark}[^{mark}]*+)*+){mark}")
    return quoted, re.compile(rf"[^{re.escape(separator)}\n\r]*")
