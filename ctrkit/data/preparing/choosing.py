"""Crosses and history of a preparation: those that the user names, or chosen from training rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ctrkit.data.encoding import Encoder
from ctrkit.data.preparing.config import PrepareConfig
from ctrkit.data.preparing.passes import CountedBlock, encode_block
from ctrkit.data.preparing.screening import SAMPLE_ROWS, Screened, screen
from ctrkit.data.schemas import (
    AUTO,
    INTEGER,
    NONE,
    NUM_BUCKETS,
    NUMERIC,
    Field,
    Schema,
    has_one_category,
)
from ctrkit.fields import NUM_RESERVED_IDS
from ctrkit.rows import Rows, concatenate

DEFAULT = NONE
"""Crosses and history where neither the options nor the schema name any."""

LEAST_CATEGORIES = 3
"""A field of fewer categories has no history by ``"auto"``: its ids say as much."""

_SAMPLED_BLOCKS = 16


def with_options(schema: Schema, config: PrepareConfig) -> Schema:
    """Return the schema with what the options change: threshold, numbers, crosses and history.

    Raises:
        ValueError: if a cross or a history names no field that can have it.
    """
    found = schema
    if config.min_count is not None:
        found = dataclasses.replace(found, min_count=config.min_count)
    if config.numbers == "twice":
        found = dataclasses.replace(found, fields=tuple(map(_twice, found.fields)))
    return _with_combined(found, config)


def _twice(field: Field) -> Field:
    """Return a number as bucket and value; any other field as it is."""
    if field.kind == INTEGER:  # counts, whose size matters by orders of magnitude
        options = {"width": field.width, "transform": "log1p", "buckets": NUM_BUCKETS}
        return Field(field.name, NUMERIC, **options)  # type: ignore[arg-type]
    if field.kind == NUMERIC and field.buckets is None:
        return dataclasses.replace(field, buckets=NUM_BUCKETS)
    return field


def _with_combined(schema: Schema, config: PrepareConfig) -> Schema:
    """Return the schema with the crosses and histories that the options name.

    Raises:
        ValueError: if one names no field that can have it.
    """
    given = {
        name: tuple(part.strip() for part in text.split(","))
        for name in ("crosses", "history")
        if (text := getattr(config, name)) is not None
    }
    found = dataclasses.replace(schema, **given) if given else schema  # type: ignore[arg-type]
    crosses, history = (
        () if names == NONE else names
        for names in (found.crosses or DEFAULT, found.history or DEFAULT)
    )
    return dataclasses.replace(found, crosses=crosses, history=history)


def choose_combined(
    schema: Schema, plain: Encoder, counted: Sequence[CountedBlock]
) -> tuple[Schema, dict[str, Any]]:
    """Return the schema with the crosses and histories to make, and what was chosen and why.

    Args:
        schema: the columns; its crosses and history may be `AUTO`.
        plain: the encoder of the columns alone.
        counted: all blocks.
    """
    chosen: dict[str, Any] = {}
    crosses, history = (
        () if names == NONE else names for names in (schema.crosses, schema.history)
    )
    if crosses == AUTO:
        screened = _screened(plain, counted)
        crosses = tuple(found.name for found in screened)
        chosen["crosses"] = [dataclasses.asdict(found) for found in screened]
    if history == AUTO:
        history = (*_of_many_categories(plain), *crosses)
        chosen["history"] = list(history)
    combined = dataclasses.replace(schema, crosses=crosses, history=history)
    return combined, {"chosen": chosen} if chosen else {}


def _of_many_categories(plain: Encoder) -> list[str]:
    """Return the fields that have a history by ``"auto"``, by name."""
    ids = dict(zip(plain.slot_names, plain.slot_limits.tolist(), strict=True))
    least = LEAST_CATEGORIES + NUM_RESERVED_IDS
    return [name for name in _one_category(plain) if ids[name] >= least]


def _one_category(plain: Encoder) -> list[str]:
    """Return the fields of one category a row, by name."""
    return [field.name for field in plain.schema.model_fields if has_one_category(field)]


def _screened(plain: Encoder, counted: Sequence[CountedBlock]) -> list[Screened]:
    """Return the crosses that pay on a sample of the training rows."""
    names = _one_category(plain)
    slots = [plain.slot_names.index(name) for name in names]
    rows = _sample(plain, counted)
    if rows is None or rows.labels is None or len(names) < 2:
        return []
    return screen(rows.ids[:, slots], rows.labels, names)


def _sample(plain: Encoder, counted: Sequence[CountedBlock]) -> Rows | None:
    """Return about `SAMPLE_ROWS` training rows, from blocks in equal distances."""
    blocks = [block for block in counted if block.rows[0]]
    if not blocks:
        return None
    at = np.unique(np.linspace(0, len(blocks) - 1, _SAMPLED_BLOCKS).round().astype(int))
    num_rows = sum(blocks[index].rows[0] for index in at)
    step = max(1, -(-num_rows // SAMPLE_ROWS))
    return concatenate([encode_block(blocks[index], plain)[0][::step] for index in at])
