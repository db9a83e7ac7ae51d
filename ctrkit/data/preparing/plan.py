"""The plan of a preparation: its options, schema and sources, and what follows from them."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ctrkit.data.encoding import FORMAT_VERSION, HISTORY_VALUES
from ctrkit.data.preparing.config import PrepareConfig
from ctrkit.data.preparing.passes import StoredBlock
from ctrkit.data.preparing.screening import MOST_CROSSES
from ctrkit.data.preparing.split import Fractions, LastSplit, RandomSplit, Split, TimeSplit
from ctrkit.data.reading import PathLike, Source, check_streams
from ctrkit.data.schemas import AUTO, NUMERIC, TIMESTAMP, Field, Schema, has_one_category
from ctrkit.data.storing import PARTS
from ctrkit.options import to_mapping

_CHANGE_NOTHING = ("force", "check_space", "num_workers")
_IN_SCHEMA = (
    *("format", "label", "positive", "min_count", "bad_rows"),
    *("numbers", "history", "crosses"),
)
_NOT_IN_FINGERPRINT = (*_CHANGE_NOTHING, *_IN_SCHEMA)
"""Options that change nothing, or that the schema in the fingerprint has taken in."""

NUMBER_BYTES = 4
"""Size of an id or a value."""

SPILLED_CELL_BYTES = 2.5
"""Average bytes of a spilled cell: its code, a share of the distinct cells and their counts.
Generated Criteo and Avazu rows take 2.9 and 2.5; a column of few categories takes 1, of many 4."""

TIME_BYTES = 8

COUNTS_BEFORE_BYTES = 16
"""Rows and clicks before a row."""

COUNTED_CELL_BYTES = 5.0
"""Average bytes of a cell whose rows and clicks are counted: 24 for each distinct one of a block.
Crosses of generated Criteo columns take up to 10, single columns 1."""


@dataclass(frozen=True)
class Plan:
    """One preparation, before anything is read.

    Args:
        config: the options.
        schema: the columns.
        sources: files and frames of each part that has its own; ``"train"`` is always there.
    """

    config: PrepareConfig
    schema: Schema
    sources: Mapping[str, Sequence[Source]]

    @property
    def opened(self) -> list[Source]:
        """All sources."""
        return list(itertools.chain.from_iterable(self.sources.values()))

    def about_rows(self) -> int:
        """Return about how many rows there are, if known without reading all."""
        return sum(source.about_rows(self.schema) or 0 for source in self.opened)

    def time_field(self) -> Field | None:
        """Return the column of times that the split uses, None if it uses none.

        Raises:
            ValueError: if it is not clear which one.
        """
        if self.config.split != "time":
            return None
        if self.config.time_column is not None:
            return self.schema.field(self.config.time_column)
        found = [field for field in self.schema.fields if field.kind == TIMESTAMP]
        if len(found) != 1:
            names = ", ".join(field.name for field in found) or "none"
            raise ValueError(
                f"time_column must name the column that split 'time' goes by, the schema has "
                f"{names} of kind timestamp; where the log is in the order of time, "
                "split 'last' does the same"
            )
        return found[0]

    def fractions(self) -> Fractions:
        """Return the fractions of the source, which gives rows only to parts without own files."""
        train, valid, test = (
            0.0 if part != "train" and part in self.sources else fraction
            for part, fraction in zip(PARTS, self.config.fractions, strict=True)
        )
        total = train + valid + test
        return train / total, valid / total, test / total

    def split(self, blocks: Sequence[StoredBlock]) -> Split:
        """Return the rule that divides the rows of the source, once all of them were read."""
        fractions = self.fractions()
        num_rows = sum(block.num_rows for block in blocks)
        if self.config.split == "random":
            return RandomSplit(num_rows, fractions, self.config.seed)
        if self.config.split == "last":
            return LastSplit(num_rows, fractions)
        times = np.empty(0)
        counts = np.empty(0, dtype=np.int64)
        for block in blocks:
            if block.times is not None:
                here, number = np.unique(block.times.read(), return_counts=True)
                times, inverse = np.unique(np.concatenate([times, here]), return_inverse=True)
                weights = np.concatenate([counts, number])
                counts = np.bincount(inverse, weights=weights).astype(np.int64)
        return TimeSplit.fit(times, counts, fractions)

    def fingerprint(self) -> str:
        """Return a hash of all that decides which bytes are written."""
        options = to_mapping(self.config)
        for name in _NOT_IN_FINGERPRINT:
            del options[name]
        options["fractions"] = self.fractions()
        is_cut = options["fractions"][0] < 1
        if not is_cut:
            del options["split"]
        if not is_cut or self.config.split != "random":
            del options["seed"]
        if not self.schema.history or options["history_order"] == "folds":
            del options["history_order"]
        time_field = self.time_field()
        options["time_column"] = time_field.name if is_cut and time_field else None
        content = {
            "format_version": FORMAT_VERSION,
            "schema": self.schema.to_mapping(),
            "options": options,
            "sources": self._content_hashes(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def recorded(self) -> dict[str, Any]:
        """Return what ``schema.json`` records of the plan; free once the sources were read."""
        options = to_mapping(self.config)
        return {
            "fingerprint": self.fingerprint(),
            "options": {n: value for n, value in options.items() if n not in _CHANGE_NOTHING},
            "sources": self._content_hashes(),
        }

    def _content_hashes(self) -> dict[str, list[str]]:
        return {
            part: [source.content_hash() for source in sources]
            for part, sources in self.sources.items()
        }


def preparation_disk(
    schema: Schema, num_rows: int, *, with_times: bool, in_order: bool = False
) -> int:
    """Return the bytes that a preparation has on disk at its end, before it removes its spill.

    Args:
        schema: the columns.
        num_rows: rows of the log.
        with_times: whether they are split by time.
        in_order: whether history is made in the order of time.
    """
    fields = [field.source for field in schema.model_fields]
    num_numbers = sum(field.num_slots + (field.kind == NUMERIC) for field in fields)
    arrays = NUMBER_BYTES * num_numbers + 1  # ids, values and label
    # A label and a part of one byte each.
    spilled = SPILLED_CELL_BYTES * len(fields) + 2 + TIME_BYTES * with_times
    return round(num_rows * (arrays + spilled + _combined_bytes(schema, in_order)))


def _combined_bytes(schema: Schema, in_order: bool) -> float:
    """Return the bytes of a row's crosses and history; those still to be chosen at their most."""
    possible = sum(map(has_one_category, schema.model_fields))
    crosses = MOST_CROSSES if schema.crosses == AUTO else len(schema.crosses)
    history = possible + crosses if schema.history == AUTO else len(schema.history)
    is_open = AUTO in (schema.crosses, schema.history)
    counted = possible + crosses if is_open else len({*schema.crosses, *schema.history})
    arrays = NUMBER_BYTES * (crosses + HISTORY_VALUES * history)
    before = COUNTS_BEFORE_BYTES * history * in_order
    return arrays + COUNTED_CELL_BYTES * counted + before


def check_no_rereading(
    sources: Mapping[str, Sequence[Source]], out: PathLike | None, *, force: bool
) -> None:
    """Refuse, before anything is read, a stream that would have to be read twice.

    Raises:
        ValueError: if it is named twice.
        FileExistsError: if the folder to make exists, and would have to be compared with it.
    """
    opened = list(itertools.chain.from_iterable(sources.values()))
    check_streams(opened)
    name = next((source.name for source in opened if source.stream is not None), None)
    if name is None or out is None or force:
        return
    if Path(out).is_dir() and any(Path(out).iterdir()):
        raise FileExistsError(
            f"{out} exists, and {name}, which can be read only once, cannot be compared with what "
            "it holds; name another folder, or replace it with force"
        )
