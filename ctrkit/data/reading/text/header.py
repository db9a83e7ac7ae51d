"""The columns of a text file, from its first line."""

from __future__ import annotations

import io
from collections import Counter
from itertools import islice

import numpy as np

from ctrkit.data.reading.bad_rows import BadRow
from ctrkit.data.reading.text.cutting import Piece
from ctrkit.data.reading.text.records import (
    CsvRow,
    CutOffRow,
    Dialect,
    as_text,
    checked_row,
    cut_by_csv,
)
from ctrkit.data.schemas import Schema, unique_names
from ctrkit.options import MAX_LISTED, shortened

_NUM_FIRST_LINES = 1000
"""Lines that tell the columns of a file without header where its first line may be bad."""

_FIRST_BYTES = 1 << 16
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_header(
    piece: Piece, schema: Schema, name: str, *, skip: bool
) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns, and the number of bytes before the first row.

    If all lines are blank, there are no names, and all lines precede the header.

    Args:
        piece: the first lines of the file, or the next, where all before were blank.
        schema: whether there is a header, and how lines are cut.
        name: of the file, for messages.
        skip: bad rows will be skipped, so the first may be one.

    Raises:
        ValueError: if the first line cannot be read, names a column twice, or has another number of
            columns than the schema.
    """
    mark = len(_BYTE_ORDER_MARK) if piece.data[:3].tobytes() == _BYTE_ORDER_MARK else 0
    if skip and not schema.header:
        stream = io.BytesIO(piece.data[mark:].data)
        separator = schema.separator.encode()
        found = Counter(line.count(separator) + 1 for line in islice(stream, _NUM_FIRST_LINES))
        best = max(_headerless(schema), key=lambda columns: found[len(columns)])
        if found[len(best)]:
            return best, mark
    first = _first_row(piece, mark, schema, name)
    if first is None:
        if schema.header:
            return (), piece.num_bytes
        raise ValueError(f"{name} is empty")
    where = f"{name}, line {piece.line + first.start}"
    if schema.header:
        if first.cells[0].startswith(_BYTE_ORDER_MARK.decode()):
            raise ValueError(f"{where}: must begin with one byte order mark at most, got two")
        names = unique_names(first.cells, where)
        newlines = np.flatnonzero(piece.data[mark:] == ord("\n"))
        return names, mark + int(newlines[first.end - 1]) + 1
    for candidate in _headerless(schema):
        if len(first.cells) == len(candidate):
            return candidate, mark
    columns = schema.file_columns
    begin = shortened(", ".join(columns[:3]), MAX_LISTED)
    raise ValueError(
        f"{where}: must have {len(columns)} columns, got {len(first.cells)}; "
        f"they begin with {begin} and are separated by {schema.separator!r}"
    )


def _first_row(piece: Piece, start: int, schema: Schema, name: str) -> CsvRow | None:
    """Return the first row that is not blank."""
    dialect = Dialect((), schema.separator, schema.quote)
    data = piece.data[start:]
    for size in (_FIRST_BYTES, len(data)):
        newlines = np.flatnonzero(data[:size] == ord("\n"))
        text = as_text(data[: newlines[-1] + 1].tobytes() if newlines.size else b"")
        for row in cut_by_csv(text, dialect, goes_on=size < len(data)):
            if isinstance(row, CutOffRow):
                break
            if isinstance(row, CsvRow):
                if not row.cells:
                    continue
                row = checked_row(row, len(row.cells))
            if isinstance(row, BadRow):
                line = piece.line + row.start + row.offset
                raise ValueError(f"{name}, line {line}: {row.reason}")
            return row
    return None


def _headerless(schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns that a file without header may have: with the label, and without."""
    columns = schema.file_columns
    return columns, tuple(column for column in columns if column != schema.label)
