"""The three passes of a preparation: read the log once, count, encode.

1. `read_block`: a block of text is parsed once. Every column becomes codes, which say for each row
   which of the block's distinct cells it holds, and those distinct cells. Both go to a file.
2. `count_block` counts the distinct cells of each block in training rows, and `fit_field` adds the
   counts up, field by field.
3. `encode_block` looks up each block's distinct cells and spreads them over the rows.

Blocks are independent of each other, and their number and size do not depend on the number of
workers, so neither does the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import Keys, Tokens
from ctrkit.data.encoding import (
    Encoder,
    Statistics,
    Vocabulary,
    by_frequency,
    count_keys,
    fit_cuts,
    fit_statistics,
    log1p_of,
    needed_columns,
    needs_statistics,
    needs_vocabulary,
)
from ctrkit.data.preparing.split import Parts, Span, Split
from ctrkit.data.reading import Block, Cells, NumberCells, TokenCells, cells_of, labels_of, times_of
from ctrkit.data.schemas import Field, Schema
from ctrkit.data.storing import PARTS, Stored, spill
from ctrkit.rows import Rows

OwnHistory = Callable[["CountedBlock", Encoder, npt.NDArray[np.float32]], None]
"""Takes a block, the encoder and the values of the block's rows, and changes these in place."""


@dataclass(frozen=True, slots=True)
class StoredCells:
    """The cells of one field and block, in a temporary file.

    Args:
        codes, distinct, slots: see `TokenCells` and `NumberCells`; distinct are keys or numbers.
        is_number: whether they are numbers.
        long_texts: the fields of `Tokens` that a key cannot hold.
        counts: occurrences of the distinct values in the rows counted; after the second pass.
    """

    codes: Stored
    distinct: Stored
    slots: Stored | None
    is_number: bool
    long_texts: tuple[Stored, Stored, Stored] | None
    counts: Stored | None = None

    def read(self) -> Cells:
        """Return the cells."""
        if self.is_number:
            return NumberCells(self.codes.read(), self.distinct.read())
        slots = None if self.slots is None else self.slots.read()
        return TokenCells(self.codes.read(), self.distinct.read(), slots)

    def read_long(self) -> Tokens:
        """Return the texts of more than eight bytes, and no others."""
        if self.long_texts is None:
            return Tokens.from_bytes([])
        at, ends, data = (stored.read() for stored in self.long_texts)
        return Tokens(self.distinct.read()[at], np.arange(len(at), dtype=np.int32), ends, data)


@dataclass(frozen=True)
class StoredBlock:
    """One block, in a temporary file.

    Args:
        num_rows: rows of the block.
        labels: ``(num_rows,)``.
        times: ``(num_rows,)``, where a split needs them.
        fields: the cells of each field of the model.
    """

    num_rows: int
    labels: Stored
    times: Stored | None
    fields: tuple[StoredCells, ...]


def read_block(block: Block, schema: Schema, time_field: Field | None, path: Path) -> StoredBlock:
    """Parse a block and write its cells to a temporary file.

    Args:
        block: the rows.
        schema: the columns.
        time_field: column whose times a split needs; None if it needs no times.
        path: the file.

    Raises:
        ValueError: if a row is not as the schema says, naming file, line and column.
    """
    wanted = {schema.label, *needed_columns(schema)}
    table = block.table(wanted | ({time_field.name} if time_field else set()))
    with spill(path) as put:
        labels = put(labels_of(table, schema))
        times = put(times_of(table, time_field)) if time_field else None
        fields = [_put(put, cells, tokens) for cells, tokens in cells_of(table, schema)]
    return StoredBlock(table.num_rows, labels, times, tuple(fields))


def _put(put: Callable[[npt.NDArray[Any]], Stored], cells: Cells, tokens: Tokens) -> StoredCells:
    codes = put(cells.codes)
    if isinstance(cells, NumberCells):
        return StoredCells(codes, put(cells.numbers), None, True, None)
    long_texts = None
    if len(tokens.long_at):
        long_texts = put(tokens.long_at), put(tokens.long_ends), put(tokens.long_bytes)
    slots = None if cells.slots is None else put(cells.slots)
    return StoredCells(codes, put(cells.keys), slots, False, long_texts)


@dataclass(frozen=True)
class CountedBlock:
    """A block whose rows have a part, and whose distinct cells are counted.

    Args:
        block: the block, its fields with counts.
        parts: part of every row.
        rows, clicks: how many of each part.
    """

    block: StoredBlock
    parts: Stored
    rows: tuple[int, ...]
    clicks: tuple[int, ...]


def count_block(
    block: StoredBlock, start: int, split: Split, *, count_all: bool, schema: Schema, path: Path
) -> CountedBlock:
    """Give the rows of a block their parts, and count its distinct cells in training rows.

    Args:
        block: the block.
        start: position of its first row in the source that is split.
        split: the rule.
        count_all: count categories in all rows, not in training rows only.
        schema: the columns.
        path: file to put the counts into.
    """
    times = None if block.times is None else block.times.read()
    parts: Parts = split.parts(Span(start, block.num_rows, times))
    labels = block.labels.read()
    training = np.flatnonzero(parts == 0)
    counted = slice(None) if count_all else training
    fields = []
    with spill(path) as put:
        stored_parts = put(parts)
        for model_field, stored in zip(schema.model_fields, block.fields, strict=True):
            is_category = needs_vocabulary(schema, model_field)
            if is_category or needs_statistics(model_field):
                counts = put(_counts(stored, counted if is_category else training))
                stored = dataclasses.replace(stored, counts=counts)
            fields.append(stored)
    return CountedBlock(
        dataclasses.replace(block, fields=tuple(fields)),
        stored_parts,
        tuple(np.bincount(parts, minlength=len(PARTS)).tolist()),
        tuple(np.bincount(parts[labels == 1], minlength=len(PARTS)).tolist()),
    )


def _counts(stored: StoredCells, chosen: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    codes = stored.codes.read()[chosen]
    if stored.slots is None:
        return np.bincount(codes, minlength=stored.distinct.size)
    slots = stored.slots.read()
    cells = np.bincount(codes, minlength=len(slots))
    used = slots >= 0
    counts = np.zeros(stored.distinct.size, dtype=np.int64)
    np.add.at(counts, slots[used], np.repeat(cells, used.sum(axis=1)))
    return counts


def fit_field(blocks: Sequence[CountedBlock], schema: Schema, name: str) -> Vocabulary | Statistics:
    """Return the vocabulary or statistics of a field and of those that share with it.

    Args:
        blocks: all blocks.
        schema: the columns.
        name: the field that owns the vocabulary or the statistics.
    """
    members = schema.members[name]
    stored = [counted.block.fields[index] for counted in blocks for index in members]
    first = schema.model_fields[members[0]]
    if needs_statistics(first):
        return _fit_numbers(stored, first.source)
    return _fit_vocabulary(stored, schema.threshold(first.source.name))


def _pieces(stored: Sequence[StoredCells]) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """Yield the distinct keys or numbers of each block, with their counts."""
    for cells in stored:
        if cells.counts is not None:
            yield cells.distinct.read(), cells.counts.read()


def _fit_numbers(stored: Sequence[StoredCells], number: Field) -> Statistics:
    def transformed() -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
        for numbers, counts in _pieces(stored):
            yield log1p_of(numbers) if number.transform == "log1p" else numbers, counts

    found = fit_statistics(transformed)
    if number.buckets is None:
        return found
    return dataclasses.replace(found, cuts=fit_cuts(_pieces(stored), number.buckets))


def _fit_vocabulary(stored: Sequence[StoredCells], min_count: int) -> Vocabulary:
    num_keys = sum(cells.distinct.size for cells in stored)
    keys, counts = count_keys(lambda: _pieces(stored), num_keys, min_count=min_count)
    positions, ends, long_bytes = _long_texts(stored, keys)
    is_short = np.ones(len(keys), dtype=np.bool_)
    is_short[positions] = False
    chosen = np.concatenate([np.flatnonzero(is_short), positions])
    long_at = np.arange(len(keys) - len(positions), len(keys), dtype=np.int32)
    tokens = Tokens(keys[chosen], long_at, ends, long_bytes)
    return Vocabulary(tokens.take(by_frequency(tokens, counts[chosen])))


def _long_texts(
    stored: Sequence[StoredCells], keys: Keys
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return the positions of the keys of long texts, and their texts as `Tokens` holds them."""
    order = np.argsort(keys)
    is_found = np.zeros(len(keys), dtype=np.bool_)
    positions = [np.empty(0, dtype=np.int64)]
    lengths = [np.empty(0, dtype=np.int64)]
    texts = [np.empty(0, dtype=np.uint8)]
    for cells in stored:
        if cells.long_texts is None or not len(keys):
            continue
        long = cells.read_long()
        at = np.searchsorted(keys, long.keys, sorter=order)
        at[at == len(keys)] = 0
        here = order[at]
        is_new = (keys[here] == long.keys) & ~is_found[here]
        new, first = np.unique(here[is_new], return_index=True)
        is_found[new] = True
        chosen = long.take(np.flatnonzero(is_new)[first])
        positions.append(new)
        lengths.append(np.diff(chosen.long_ends, prepend=0))
        texts.append(chosen.long_bytes)
    return np.concatenate(positions), np.cumsum(np.concatenate(lengths)), np.concatenate(texts)


def encode_block(
    counted: CountedBlock, encoder: Encoder, own: OwnHistory | None = None
) -> list[Rows]:
    """Return the rows of a block, encoded, one `Rows` per part.

    Args:
        counted: the block.
        encoder: the encoder.
        own: changes the history of the training rows so that none sees its own click; None for an
            encoder without histories.
    """
    block = counted.block
    cells = [stored.read() for stored in block.fields]
    rows = encoder.encode_cells(cells, block.num_rows, block.labels.read())
    if rows.values is not None and own is not None:
        own(counted, encoder, rows.values)
    parts = counted.parts.read()
    if max(counted.rows) == block.num_rows:
        return [rows if count else rows[:0] for count in counted.rows]
    return [rows[np.flatnonzero(parts == part)] for part in range(len(PARTS))]
