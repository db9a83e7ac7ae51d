"""The pass over combinations and histories: rows and clicks of their categories in training.

It comes after the columns have their vocabularies, since buckets of numbers can be combined too:

1. `count_combined` counts the categories of a block, with their clicks.
2. `fit_click_counts_of` adds the counts up, field by field.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctrkit.data.encoding import (
    MAX_HISTORY_KEYS,
    ClickCounts,
    ClickHistory,
    Counted,
    Encoder,
    Statistics,
    category_cells,
    fit_click_counts,
    history_keys,
)
from ctrkit.data.preparing.passes import CountedBlock
from ctrkit.data.reading import Cells
from ctrkit.data.schemas import Schema, parts_of
from ctrkit.data.storing import Stored, spill
from ctrkit.machine import Workers
from ctrkit.options import shown


@dataclass(frozen=True, slots=True)
class CombinedCounts:
    """Distinct categories of a field in a block, and their rows and clicks in training.

    Args:
        keys: ``(T,)``.
        counts: ``(T, 2)``.
    """

    keys: Stored
    counts: Stored


def combined_names(schema: Schema) -> tuple[str, ...]:
    """Return the fields whose categories are counted with their clicks."""
    crosses = () if schema.cross_hash_buckets is not None else schema.crosses
    return tuple(dict.fromkeys((*schema.history, *crosses)))


def count_combined(
    counted: CountedBlock,
    schema: Schema,
    statistics: Mapping[str, Statistics],
    path: Path,
) -> list[CombinedCounts]:
    """Count categories in the training rows of a block, with their clicks; see `combined_names`."""
    training = np.flatnonzero(counted.parts.read() == 0)
    labels = counted.block.labels.read()[training]
    cells = cells_of_combined(counted, schema)
    found = []
    with spill(path) as put:
        for name in combined_names(schema):
            here = category_cells(name, cells, statistics)
            codes = here.codes[training]
            rows = np.bincount(codes, minlength=len(here.keys))
            clicks = np.bincount(codes[labels == 1], minlength=len(here.keys))
            counts = put(np.stack([rows, clicks], axis=1))
            found.append(CombinedCounts(put(history_keys(here.keys)), counts))
    return found


def cells_of_combined(counted: CountedBlock, schema: Schema) -> dict[str, Cells]:
    """Return the cells of the fields that crosses and histories are made of, by name."""
    needed = {*schema.history, *(part for name in schema.crosses for part in parts_of(name))}
    return {
        field.name: stored.read()
        for field, stored in zip(schema.model_fields, counted.block.fields, strict=True)
        if field.name in needed
    }


def fit_click_counts_of(blocks: Sequence[CombinedCounts], name: str, schema: Schema) -> ClickCounts:
    """Add up the counts of a field.

    Raises:
        ValueError: if a cross has too many combinations.
    """
    num_keys = sum(block.keys.size for block in blocks)

    def pieces() -> Iterator[Counted]:
        for block in blocks:
            yield block.keys.read(), block.counts.read()

    found, least = fit_click_counts(pieces, num_keys, most=MAX_HISTORY_KEYS)
    if name in schema.crosses and least > schema.cross_min_count:
        raise ValueError(
            f"crosses {shown(name)} must have at most {MAX_HISTORY_KEYS:,} combinations of "
            f"{schema.cross_min_count} rows or more; raise cross_min_count, or set "
            "cross_hash_buckets, in the schema"
        )
    return found


def fit_combined(
    workers: Workers,
    schema: Schema,
    plain: Encoder,
    counted: Sequence[CountedBlock],
    folder: Path,
) -> Encoder:
    """Return an encoder with crosses and histories.

    Args:
        workers: threads that count.
        schema: the columns, with crosses and histories.
        plain: the encoder of the same columns without them.
        counted: all blocks.
        folder: for temporary files.

    Raises:
        ValueError: if a cross has too many combinations.
    """
    names = combined_names(schema)
    if not names:
        return Encoder(schema, plain.vocabularies, plain.statistics)
    tasks = (
        functools.partial(
            count_combined, block, schema, plain.statistics, folder / f"combined-{number:06d}"
        )
        for number, block in enumerate(counted)
    )
    found = list(workers.in_order(tasks))
    rows, clicks = (
        sum(getattr(block, what)[0] for block in counted) for what in ("rows", "clicks")
    )
    fits = (
        functools.partial(fit_click_counts_of, [block[index] for block in found], name, schema)
        for index, name in enumerate(names)
    )
    click_counts = dict(zip(names, workers.in_order(fits), strict=True))
    return Encoder(
        schema,
        plain.vocabularies,
        plain.statistics,
        {name: click_counts[name] for name in schema.crosses if name in click_counts},
        {name: ClickHistory.fit(click_counts[name], rows, clicks) for name in schema.history},
    )
