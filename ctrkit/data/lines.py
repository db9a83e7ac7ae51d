"""A block of lines into columns: by whole arrays, or by ``csv`` where a line is out of order."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrkit.data.table import Table
from ctrkit.data.tokens import Column, Keys, Tokens, smallest

_NEWLINE = ord("\n")
_RETURN = ord("\r")

Bytes = npt.NDArray[np.uint8]
Where = Callable[[int], str]


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
    words: Keys, num_bytes: int, layout: Layout, wanted: Collection[str], where: Where
) -> Table:
    """Return the wanted columns of a block of lines.

    Args:
        words: the bytes as 8-byte words, with at least one word of padding.
        num_bytes: bytes in use; the last is a line end.
        layout: how a line is cut.
        wanted: names of the columns to return.
        where: number of a line in the block, from 0 -> its place, for messages.

    Raises:
        ValueError: if a line is not text, or has another number of cells.
    """
    data = words.view(np.uint8)[:num_bytes]
    _check_text(data, where)
    cells = _cut(words, num_bytes, layout)
    if cells is None:
        return _parse_by_csv(data.tobytes(), layout, wanted, where)
    found = {
        name: Column.from_cells(
            cells.words, cells.starts[index], cells.ends[index] - cells.starts[index]
        )
        for index, name in enumerate(layout.columns)
        if name in wanted
    }
    return Table(cells.starts.shape[1], found, lambda row: where(_line_of(data, layout, row)))


def _check_text(data: Bytes, where: Where) -> None:
    if data.min() == 0:
        line = int(np.count_nonzero(data[: int(np.argmin(data))] == _NEWLINE))
        raise ValueError(f"{where(line)}: text must not hold a zero byte; is the file UTF-16?")
    if data.max() < 0x80:
        return
    text = data.tobytes()
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start)
        raise ValueError(
            f"{where(line)}: text must be UTF-8, got byte 0x{text[error.start]:02x}; "
            "convert the file first"
        ) from error


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
            words, data = _compressed(data, kept)
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


def _compressed(data: Bytes, kept: npt.NDArray[np.bool_]) -> tuple[Keys, Bytes]:
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


def _line_of(data: Bytes, layout: Layout, row: int) -> int:
    """Return the line on which a row begins."""
    is_newline = data == _NEWLINE
    is_end = is_newline
    if layout.quote:
        is_end = is_newline & ~np.bitwise_xor.accumulate(data == ord(layout.quote))
    if not row:
        return 0
    start = np.flatnonzero(is_end)[row - 1]
    return int(np.count_nonzero(is_newline[: start + 1]))


def _parse_by_csv(data: bytes, layout: Layout, wanted: Collection[str], where: Where) -> Table:
    """Do the same slowly; this also skips blank lines, and finds the line that is wrong."""
    text = data.decode("utf-8").replace("\r\n", "\n")
    options = csv_options(layout.separator, layout.quote)
    reader = csv.reader(io.StringIO(text, newline="\n"), strict=True, **options)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 0
    num_columns = len(layout.columns)
    try:
        for cells in reader:
            found = cells or [""] * (num_columns == 1)
            if found and len(found) != num_columns:
                raise ValueError(
                    f"{where(line)}: must have {num_columns} columns, got {len(found)}"
                )
            if found:
                rows.append(found)
                lines.append(line)
            line = reader.line_num
    except csv.Error as error:
        hint = '; if quotes mean nothing in this file, set quote = "" in the schema'
        raise ValueError(f"{where(line)}: {error}{hint * bool(layout.quote)}") from error
    columns = {}
    for index, name in enumerate(layout.columns):
        if name in wanted:
            codes, texts = _distinct([row[index] for row in rows])
            columns[name] = Column(smallest(codes, len(texts)), Tokens.from_texts(texts))
    return Table(len(rows), columns, lambda row: where(lines[row]))


def _distinct(texts: list[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return the distinct texts in order of appearance, and for each text which of them it is."""
    known: dict[str, int] = {}
    codes = np.fromiter(
        (known.setdefault(text, len(known)) for text in texts), dtype=np.int64, count=len(texts)
    )
    return codes, list(known)
