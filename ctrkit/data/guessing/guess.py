"""The schema to read a log with: given, built in, or guessed from its first rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ctrkit.data.guessing.first_rows import FirstRows
from ctrkit.data.guessing.kinds import LEAST_ROWS_TO_DROP, guess_field
from ctrkit.data.guessing.labels import check_label, choose_label, label_texts_of
from ctrkit.data.guessing.schema_guess import ColumnSeen, SchemaGuess
from ctrkit.data.reading import (
    FORMATS,
    BadCellsError,
    ColumnSource,
    FrameBlock,
    FrameSource,
    PathLike,
    Source,
    SourceLike,
    open_sources,
)
from ctrkit.data.schemas import (
    BUILT_IN,
    DEFAULT_SEPARATOR,
    DROPPED,
    MULTIVALUED,
    TIME_PARTS,
    TIMESTAMP,
    Field,
    Schema,
)


def guess_schema(
    source: SourceLike,
    *,
    format: str | None = None,  # noqa: A002
    label: str | None = None,
    positive: str | None = None,
    skip: bool = False,
) -> SchemaGuess:
    """Guess a schema from the names of the columns and the first rows, and say why.

    docs/data.md has the rules. Of a known format the schema is built in, and the rows are looked at
    for what they show.

    Args:
        source: path, paths or frame. Of a stream, the first rows are taken and lost; `prepare` and
            the command line guess the schema of a stream, and read it all the same.
        format: see `ctrkit.data.PrepareConfig`; None to go by the name of the file.
        label: name of the label column; None to guess it.
        positive: text of a click in it; None to guess it.
        skip: leave out rows of another number of columns, that are not text, or with a wrong label;
            otherwise the former are errors, and the label is not looked at.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if the format is unknown, or it is not clear which column is the label.
    """
    opened = open_sources(source, format=format, skip=skip)
    if format in BUILT_IN:
        return _described(opened[0], BUILT_IN[format].with_label(label, positive), skip=skip)
    return _guessed(opened, format, label, positive, skip=skip)


def infer_schema(
    source: SourceLike,
    *,
    format: str | None = None,  # noqa: A002
    label: str | None = None,
    positive: str | None = None,
    skip: bool = False,
) -> Schema:
    """Return the schema that `guess_schema` guesses, which has the same arguments and errors.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"user": ["a", "b"], "price": [0.5, 2.0], "click": [0, 1]})
        >>> schema = infer_schema(frame)
        >>> schema.label, [(field.name, field.kind) for field in schema.fields]
        ('click', [('user', 'categorical'), ('price', 'numeric')])
    """
    return guess_schema(source, format=format, label=label, positive=positive, skip=skip).schema


def resolve_schema(
    opened: Sequence[Source],
    *,
    format: str | None = None,  # noqa: A002
    schema: Schema | PathLike | None = None,
    label: str | None = None,
    positive: str | None = None,
    skip: bool = False,
) -> SchemaGuess:
    """Return the schema to read sources with: the given one, the format's, or a guess.

    Args:
        opened: the sources; the first rows of the first are inspected if needed.
        format: see `ctrkit.data.PrepareConfig`; None to go by the name of the file.
        schema: a `Schema`, the path of a ``schema.toml``, or None.
        label: name of the label column; None for the schema's.
        positive: text of a click in it; None for the schema's.
        skip: whether bad rows will be skipped.

    Raises:
        ValueError: if the format is unknown, or it is not clear which column is the label.
    """
    if isinstance(schema, Schema):
        found = schema
    elif schema is not None:
        found = Schema.from_toml(Path(schema))
    elif format in BUILT_IN:
        found = BUILT_IN[format]
    else:
        return _guessed(opened, format, label, positive, skip=skip)
    found = found.with_label(label, positive)
    if found.positive is not None and found.negative is None:
        found = _with_negative(opened[0], found, skip=skip)
    return SchemaGuess(found)


@contextmanager
def naming_the_guess(guess: SchemaGuess) -> Iterator[None]:
    """Add to an error in a cell that the schema was guessed, if it was, and what to do.

    Raises:
        ValueError: the error.
    """
    try:
        yield
    except BadCellsError as error:
        if not guess.is_guess:
            raise
        raise ValueError(f"{error}; the schema was guessed: {guess.correction()}") from error


def _guessed(
    opened: Sequence[Source],
    format: str | None,  # noqa: A002
    label: str | None,
    positive: str | None,
    *,
    skip: bool,
) -> SchemaGuess:
    source = opened[0]
    reading = Schema((Field("any"),), label="", separator=_separator(source, format))
    block = source.first_block(reading)
    known = {}
    if isinstance(block, FrameBlock) and isinstance(source, ColumnSource):
        lists = dict.fromkeys(block.list_columns(), DEFAULT_SEPARATOR)
        block = dataclasses.replace(block, separators=lists)
        known = dict.fromkeys(source.date_columns(), TIMESTAMP) | dict.fromkeys(lists, MULTIVALUED)
    rows = FirstRows(block, skip=skip)
    why = "as named"
    if label is None:
        label, why = choose_label(source.name, rows, skip=skip)
    check_label(source.name, label, rows)
    texts = label_texts_of(source.name, rows[label], positive, skip=skip)
    labelled = dataclasses.replace(
        reading,
        fields=(Field(f"not {label}"),),  # a schema needs one, of another name
        label=label,
        positive=texts.positive,
        negative=texts.negative,
    )
    if skip:
        rows = FirstRows(block, skip=skip, labels=labelled)
    fields, columns = _fields_of(rows, label, known, rows.share_of(opened, reading))
    if not fields:
        raise ValueError(f"{source.name}: must have a column besides the label {label!r}")
    try:
        schema = dataclasses.replace(labelled, fields=tuple(fields))
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from error
    columns[label] = ColumnSeen.of(rows[label], f"the label, {why}: {texts.reason}")
    return _with_what_was_seen(schema, source, rows, [columns[name] for name in rows])


def _described(source: Source, schema: Schema, *, skip: bool) -> SchemaGuess:
    rows = FirstRows(source.first_block(schema), skip=skip)
    return _with_what_was_seen(schema, source, rows, [ColumnSeen.of(rows[name]) for name in rows])


def _with_what_was_seen(
    schema: Schema, source: Source, rows: FirstRows, columns: Sequence[ColumnSeen]
) -> SchemaGuess:
    from_frame = isinstance(source, FrameSource)
    return SchemaGuess(schema, tuple(columns), source.name, rows.num_rows, from_frame)


def _fields_of(
    rows: FirstRows, label: str, known: Mapping[str, str], seen: float
) -> tuple[list[Field], dict[str, ColumnSeen]]:
    """Return the fields that the columns become, and what was seen of each column.

    Args:
        rows: the first rows.
        label: name of the label column, which becomes none.
        known: the kinds of columns that are known.
        seen: share of the log that the rows are.
    """

    def guesses(may_drop: bool) -> tuple[list[Field], dict[str, ColumnSeen]]:
        fields, columns = [], {}
        for position, name in enumerate(rows):
            if name != label:
                sample = rows[name]
                field, reason = guess_field(
                    sample, known.get(name), position=position, seen=seen, may_drop=may_drop
                )
                field, reason = _without_clash(field, reason, rows)
                fields.append(field)
                columns[name] = ColumnSeen.of(sample, reason)
        return fields, columns

    found = guesses(rows.num_rows >= LEAST_ROWS_TO_DROP)
    has_none = all(field.kind == DROPPED for field in found[0])
    return guesses(False) if has_none else found


def _without_clash(field: Field, reason: str, names: Container[str]) -> tuple[Field, str]:
    """Leave out times that would become fields which are there already; they can cut a split."""
    made = [name for name in (f"{field.name}_{part}" for part in TIME_PARTS) if name in names]
    if field.kind != TIMESTAMP or not made:
        return field, reason
    left_out = Field(field.name, DROPPED, time_format=field.time_format or "iso")
    return left_out, f"{reason}; {' and '.join(made)} is there already"


def _with_negative(source: Source, schema: Schema, *, skip: bool) -> Schema:
    """Return a schema with the text of no click, if the first rows have one text beside a click.

    So a third text is found in later rows.
    """
    rows = FirstRows(source.first_block(schema), skip=skip)
    check_label(source.name, schema.label, rows)
    texts = label_texts_of(source.name, rows[schema.label], schema.positive, skip=skip)
    return dataclasses.replace(schema, negative=texts.negative)


def _separator(source: Source, format: str | None) -> str:  # noqa: A002
    suffixes = Path(source.name).suffixes
    kind = format or next((kind for kind in ("tsv", "csv") if f".{kind}" in suffixes), None)
    if kind == "csv" or isinstance(source, ColumnSource):
        return ","
    if kind == "tsv":
        return "\t"
    known = [name for name in FORMATS if source.stream is None or name != "parquet"]
    raise ValueError(
        f"{source.name}: cannot guess the format from the file's name; "
        f"name one of {', '.join(known)}, or give a schema"
    )
