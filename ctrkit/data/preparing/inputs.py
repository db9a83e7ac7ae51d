"""What a preparation reads: its sources, and the schema to read them with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ctrkit.data.guessing import SchemaGuess, resolve_schema
from ctrkit.data.preparing.choosing import with_options
from ctrkit.data.preparing.config import PrepareConfig
from ctrkit.data.reading import PathLike, Source, SourceLike, open_sources
from ctrkit.data.schemas import Schema


def opened_sources(
    config: PrepareConfig, train: SourceLike, **others: SourceLike | None
) -> dict[str, list[Source]]:
    """Return the sources of each part; a part that has none is cut from the training rows."""
    skip = config.bad_rows != "error"
    given = {"train": train} | {part: one for part, one in others.items() if one is not None}
    return {part: open_sources(one, format=config.format, skip=skip) for part, one in given.items()}


def resolved_schema(
    config: PrepareConfig, opened: Sequence[Source], schema: Schema | PathLike | None
) -> SchemaGuess:
    """Return the schema to read the sources with."""
    guess = resolve_schema(
        opened,
        format=config.format,
        schema=schema,
        label=config.label,
        positive=config.positive,
        skip=config.bad_rows != "error",
    )
    return dataclasses.replace(guess, schema=with_options(guess.schema, config))
