"""Sources that the user names: files or a frame, with a known or inferred schema."""

from __future__ import annotations

import dataclasses
import os
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ctrkit.data.columns import is_number, is_whole
from ctrkit.data.reading.bad_rows import SkippedRow
from ctrkit.data.reading.blocks import Block, Source, Table
from ctrkit.data.reading.cells import labels_of
from ctrkit.data.reading.frames import ColumnSource, FrameSource, ParquetSource, is_parquet
from ctrkit.data.reading.skipping import read_good_rows
from ctrkit.data.reading.text import TextSource
from ctrkit.data.schemas import AVAZU, CATEGORICAL, CRITEO, NUMERIC, TIMESTAMP, Field, Schema
from ctrkit.options import MAX_LISTED, check_choice, shortened, shown, suggest

PathLike = str | os.PathLike[str]
SourceLike = PathLike | Sequence[PathLike] | pd.DataFrame

FORMATS = ("criteo", "avazu", "csv", "tsv", "parquet")
LABEL_NAMES = ("label", "click", "target")

_BUILT_IN = {"criteo": CRITEO, "avazu": AVAZU}
_PARQUET_SUFFIXES = (".parquet", ".pq")
_INFERENCE_ROWS = 100_000


def built_in_schema(name: str) -> Schema:
    """Return the schema of a known log, ``"criteo"`` or ``"avazu"``.

    Raises:
        ValueError: if there is none of that name.
    """
    check_choice("schema", name, _BUILT_IN)
    return _BUILT_IN[name]


def open_sources(
    source: SourceLike,
    *,
    format: str | None = None,  # noqa: A002
    block_bytes: int | None = None,
    skip: bool = False,
) -> list[Source]:
    """Return the files, streams or the frame that `source` names; nothing is read from streams.

    Args:
        source: path, paths or frame; ``"-"`` is standard input.
        format: see `FORMATS`; None to go by the name of the file.
        block_bytes: size of the blocks of a text file, see `TextSource`.
        skip: whether bad rows will be skipped.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if no file is named, a stream twice, or the format is unknown.
        ImportError: if Parquet is wanted and pyarrow is not installed.
    """
    if format is not None:
        check_choice("format", format, FORMATS)
    if isinstance(source, pd.DataFrame):
        return [FrameSource(source)]
    paths = [source] if isinstance(source, (str, os.PathLike)) else source
    if not isinstance(paths, Sequence) or not all(isinstance(p, (str, os.PathLike)) for p in paths):
        raise TypeError(
            "source must be a DataFrame, the path of a file or a list of paths, "
            f"got {_kind_of(source)}"
        )
    if not paths:
        raise ValueError("source must name at least one file, got none")
    opened = [_open(path, format, block_bytes, skip) for path in paths]
    check_streams(opened)
    return opened


def _kind_of(source: Any) -> str:
    if isinstance(source, (list, tuple)):
        other = next(item for item in source if not isinstance(item, (str, os.PathLike)))
        return f"a list with a {type(other).__name__}"
    return f"a {type(source).__name__}"


def check_streams(opened: Iterable[Source]) -> None:
    """Raise ``ValueError`` if a stream is named twice: it can be read only once."""
    names: dict[Hashable, str] = {}
    for source in opened:
        if source.stream is None:
            continue
        if source.stream in names:
            both = dict.fromkeys((names[source.stream], source.name))
            raise ValueError(
                f"{' and '.join(both)} can be read only once, and must be named once, got twice"
            )
        names[source.stream] = source.name


def _open(
    path: PathLike,
    format: str | None,  # noqa: A002
    block_bytes: int | None,
    skip: bool,
) -> Source:
    is_called_so = format is None and Path(path).suffix.lower() in _PARQUET_SUFFIXES
    if format == "parquet" or is_called_so or is_parquet(Path(path)):
        return ParquetSource(path)
    return TextSource(path, block_bytes=block_bytes, skip=skip)


def resolve_schema(
    opened: Sequence[Source],
    *,
    format: str | None = None,  # noqa: A002
    schema: Schema | PathLike | None = None,
    label: str | None = None,
    skip: bool = False,
) -> Schema:
    """Return the schema to read sources with: the given one, the format's, or an inferred one.

    Args:
        opened: the sources; without a schema, the first is inspected.
        format: see `FORMATS`; None to go by the name of the file.
        schema: a `Schema`, the path of a ``schema.toml``, or None.
        label: name of the label column; None for the schema's.
        skip: whether bad rows will be skipped.

    Raises:
        ValueError: if the format is unknown, or no column looks like a label.
    """
    if isinstance(schema, Schema):
        found = schema
    elif schema is not None:
        found = Schema.from_toml(Path(schema))
    elif format in _BUILT_IN:
        found = _BUILT_IN[format]
    else:
        return _inferred(opened[0], format, label, skip)
    return found if label is None else found.with_label(label)


def infer_schema(
    source: SourceLike,
    *,
    format: str | None = None,  # noqa: A002
    label: str | None = None,
    skip: bool = False,
) -> Schema:
    """Guess a schema from the names of the columns and the first rows.

    Whole numbers and texts become categories, numbers with decimals are kept as values, columns
    of dates are timestamps, and a column called label, click or target is the label.

    Args:
        source: path, paths or frame. Of a stream, the first rows are taken and lost; `prepare` and
            the command line guess the schema of a stream, and read it all the same.
        format: see `FORMATS`; None to go by the name of the file.
        label: name of the label column.
        skip: leave out rows of another number of columns, that are not text, or without a label
            that is 0 or 1; otherwise the former are errors, and the label is not looked at.

    Raises:
        ValueError: if the format is unknown, or no column looks like a label.

    Example:
        >>> frame = pd.DataFrame({"user": ["a", "b"], "price": [0.5, 2.0], "click": [0, 1]})
        >>> schema = infer_schema(frame)
        >>> schema.label, [(field.name, field.kind) for field in schema.fields]
        ('click', [('user', 'categorical'), ('price', 'numeric')])
    """
    return _inferred(open_sources(source, format=format, skip=skip)[0], format, label, skip)


def _inferred(
    opened: Source,
    format: str | None,  # noqa: A002
    label: str | None,
    skip: bool,
) -> Schema:
    reading = Schema((Field("any"),), label="", separator=_separator(opened, format))
    block = opened.first_block(reading)
    chosen = _label(opened.name, block.columns) if label is None else label
    if chosen not in block.columns:
        raise ValueError(
            f"{opened.name}: unknown column {shown(chosen)}{suggest(chosen, block.columns)}"
        )
    table = _first_good_rows(block, chosen) if skip else block.table(block.columns)
    dates: set[str] = set()
    if isinstance(opened, ColumnSource):
        dates = opened.date_columns()
    fields = []
    for name in block.columns:
        texts = [text for text in table.columns[name].tokens.texts()[:_INFERENCE_ROWS] if text]
        if name in dates:
            fields.append(Field(name, TIMESTAMP))
        elif texts and all(map(is_number, texts)) and not all(map(is_whole, texts)):
            fields.append(Field(name, NUMERIC))
        else:
            fields.append(Field(name, CATEGORICAL))
    fields = [field for field in fields if field.name != chosen]
    if not fields:
        raise ValueError(f"{opened.name}: must have a column besides the label {chosen!r}")
    try:
        return dataclasses.replace(reading, fields=tuple(fields), label=chosen)
    except ValueError as error:
        raise ValueError(f"{opened.name}: {error}") from error


def _first_good_rows(block: Block, label: str) -> Table:
    def read(block: Block) -> Table:
        table = block.table(block.columns)
        labels_of(table, label)
        return table

    table = read_good_rows(block, read, deque[SkippedRow](maxlen=0).extend)
    return read(block) if table is None else table  # the former raises the first error


def _label(name: str, columns: Sequence[str]) -> str:
    found = [column for column in columns if column.lower() in LABEL_NAMES]
    if len(found) == 1:
        return found[0]
    names = f"{', '.join(LABEL_NAMES[:-1])} or {LABEL_NAMES[-1]}"
    if found:
        raise ValueError(
            f"{name}: only one column may be called {names}, got {' and '.join(found)}; "
            "name the label column, and drop the other in a schema"
        )
    raise ValueError(
        f"{name}: no column is called {names}; name the label column, one of "
        f"{shortened(', '.join(columns), MAX_LISTED)}"
    )


def _separator(opened: Source, format: str | None) -> str:  # noqa: A002
    suffixes = Path(opened.name).suffixes
    kind = format or next((kind for kind in ("tsv", "csv") if f".{kind}" in suffixes), None)
    if kind == "csv" or isinstance(opened, ColumnSource):
        return ","
    if kind == "tsv":
        return "\t"
    known = [name for name in FORMATS if opened.stream is None or name != "parquet"]
    raise ValueError(
        f"{opened.name}: cannot guess the format from the file's name; "
        f"name one of {', '.join(known)}, or give a schema"
    )
