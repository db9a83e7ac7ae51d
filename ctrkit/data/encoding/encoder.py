"""`Encoder`: rows of a log into ids and values, for training and for new rows."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit import __version__
from ctrkit.data.columns import Keys
from ctrkit.data.encoding.buckets import number_table
from ctrkit.data.encoding.click_count_files import remove_other_click_counts, save_click_counts
from ctrkit.data.encoding.click_history import (
    HISTORY_VALUES,
    ClickCounts,
    ClickHistory,
    history_keys,
)
from ctrkit.data.encoding.columns import check_columns
from ctrkit.data.encoding.crosses import category_cells
from ctrkit.data.encoding.encoder_files import read_encoder_parts
from ctrkit.data.encoding.needs import (
    hash_buckets,
    needed_columns,
    needs_statistics,
    needs_vocabulary,
)
from ctrkit.data.encoding.schema_file import COMBINED_VERSION, FORMAT_VERSION, SCHEMA_FILE
from ctrkit.data.encoding.statistics import Statistics
from ctrkit.data.encoding.vocabulary import Vocabulary, bucket_ids
from ctrkit.data.encoding.vocabulary_files import remove_others, save_vocabularies
from ctrkit.data.reading import (
    Block,
    Cells,
    FrameSource,
    NumberCells,
    cells_of,
    check_frame,
    labels_of,
)
from ctrkit.data.schemas import NUMERIC, ModelField, Schema
from ctrkit.fields import MISSING_ID, NUM_RESERVED_IDS, RARE_ID, FieldShape
from ctrkit.files import save_json
from ctrkit.options import check_choice
from ctrkit.rows import Labels, Rows, concatenate

LABEL_MODES = ("auto", "require", "ignore")
"""Labels where the rows have them; always, or an error; never."""

_GATHER_ROWS = 4096


class Encoder:
    """Turns rows into ids and values.

    Args:
        schema: the columns.
        vocabularies: by the name of the field that owns them; none for hashed fields.
        statistics: of the numeric fields that are standardised or bucketed, by name.
        crosses: rows and clicks of the combinations of each cross, frequent ones first, by name.
        histories: by the name of the field or cross.

    Raises:
        ValueError: if the vocabulary, the statistics or the history of a field are missing.

    Example:
        >>> from ctrkit.data import Field, Schema
        >>> from ctrkit.data.columns.tokens import Tokens
        >>> from ctrkit.data.encoding.vocabulary import Vocabulary
        >>> colours = Vocabulary(Tokens.from_texts(["red", "blue"]))
        >>> encoder = Encoder(Schema([Field("colour")]), {"colour": colours})
        >>> encoder.encode(pd.DataFrame({"colour": ["blue", None, "green"]})).ids
        array([[3],
               [0],
               [1]], dtype=int32)
    """

    def __init__(
        self,
        schema: Schema,
        vocabularies: Mapping[str, Vocabulary],
        statistics: Mapping[str, Statistics] | None = None,
        crosses: Mapping[str, ClickCounts] | None = None,
        histories: Mapping[str, ClickHistory] | None = None,
    ) -> None:
        self.schema = schema
        self.vocabularies = dict(vocabularies)
        self.statistics = dict(statistics or {})
        self.crosses = dict(crosses or {})
        self.histories = dict(histories or {})
        self._fields = schema.model_fields
        self._position = {field.name: index for index, field in enumerate(self._fields)}
        for field in self._fields:
            if needs_vocabulary(schema, field) and field.owner not in self.vocabularies:
                raise ValueError(f"vocabularies must hold one for field {field.owner}")
            if needs_statistics(field) and field.name not in self.statistics:
                raise ValueError(f"statistics must hold those of field {field.name}")
        for name in schema.crosses:
            if name not in self.crosses and schema.cross_hash_buckets is None:
                raise ValueError(f"crosses must hold the combinations of {name}")
        for name in schema.history:
            if name not in self.histories:
                raise ValueError(f"histories must hold that of field {name}")

    def __repr__(self) -> str:
        return f"Encoder({len(self.field_names)} fields, {self.num_ids} ids)"

    @functools.cached_property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields that the model sees, in order; crosses are the last."""
        return (*(field.name for field in self._fields), *self.schema.crosses)

    @functools.cached_property
    def cardinalities(self) -> tuple[int | FieldShape, ...]:
        """What a model must know of each field; a plain number if that suffices."""
        found = [self._shape(field) for field in self._fields]
        found += [
            FieldShape(cardinality=self._cross_cardinality(name), num_values=self._num_values(name))
            for name in self.schema.crosses
        ]
        return tuple(
            shape.cardinality if shape == FieldShape(cardinality=shape.cardinality) else shape
            for shape in found
        )

    def _shape(self, field: ModelField) -> FieldShape:
        owner = self.schema.field(field.owner) if field.part is None else field.source
        scales = field.source.kind == NUMERIC and field.source.buckets is None
        return FieldShape(
            cardinality=self._cardinality(field),
            num_slots=field.source.num_slots,
            has_value=scales,
            num_values=0 if scales else self._num_values(field.name),
            shares_with=None if field.owner == field.name else self._position[field.owner],
            width=owner.width,
        )

    @functools.cached_property
    def num_ids(self) -> int:
        """Number of ids of all fields, shared ones counted once."""
        return sum(self._cardinality(f) for f in self._fields if f.owner == f.name) + sum(
            map(self._cross_cardinality, self.schema.crosses)
        )

    @functools.cached_property
    def slot_limits(self) -> npt.NDArray[np.int32]:
        """``(S,)`` number of ids that each column of ids can hold."""
        limits = [[self._cardinality(f)] * f.source.num_slots for f in self._fields]
        limits += [[self._cross_cardinality(name)] for name in self.schema.crosses]
        return np.array([limit for group in limits for limit in group], dtype=np.int32)

    @functools.cached_property
    def slot_names(self) -> tuple[str, ...]:
        """``(S,)`` name of the field that each column of ids belongs to."""
        slots = (f.name for f in self._fields for _ in range(f.source.num_slots))
        return (*slots, *self.schema.crosses)

    @functools.cached_property
    def num_values(self) -> int:
        """Number V of values of a row: numbers, and those of history."""
        return sum(map(self._num_values, self.field_names))

    @functools.cached_property
    def history_columns(self) -> dict[str, slice]:
        """The columns of values of each field with a history, by its name."""
        ends = np.cumsum([self._num_values(name) for name in self.field_names]).tolist()
        return {
            name: slice(end - HISTORY_VALUES, end)
            for name, end in zip(self.field_names, ends, strict=True)
            if name in self.schema.history
        }

    def _num_values(self, name: str) -> int:
        is_number = name in self._position and self._field(name).source.kind == NUMERIC
        return is_number + HISTORY_VALUES * (name in self.schema.history)

    def _field(self, name: str) -> ModelField:
        return self._fields[self._position[name]]

    def _cardinality(self, field: ModelField) -> int:
        if field.source.kind == NUMERIC:
            if field.source.buckets is None:
                return RARE_ID + 1
            return NUM_RESERVED_IDS + 1 + len(self.statistics[field.name].cuts)
        buckets = hash_buckets(self.schema, field)
        if buckets is not None:
            return buckets + NUM_RESERVED_IDS
        return self.vocabularies[field.owner].cardinality

    def _cross_cardinality(self, name: str) -> int:
        buckets = self.schema.cross_hash_buckets
        return NUM_RESERVED_IDS + (self._num_frequent[name] if buckets is None else buckets)

    @functools.cached_property
    def _num_frequent(self) -> dict[str, int]:
        """The number of combinations of each cross that have an id of their own."""
        least = self.schema.cross_min_count
        return {name: int((found.rows >= least).sum()) for name, found in self.crosses.items()}

    def encode(self, frame: pd.DataFrame, *, label: str = "auto") -> Rows:
        """Return the rows of a frame.

        Args:
            frame: the rows; columns that are dropped or unknown may be there or not.
            label: ``"auto"``: with labels where it has the column, ``"require"`` or ``"ignore"``.

        Raises:
            ValueError: if a column is missing or a cell is not what its field says.
        """
        check_choice("label mode", label, LABEL_MODES)
        check_frame(frame)
        blocks = FrameSource(frame).blocks(self.schema)
        return concatenate([self.encode_block(block, label=label) for block in blocks])

    def encode_block(self, block: Block, *, label: str = "auto") -> Rows:
        """Return the rows of a block.

        Args:
            block: the rows.
            label: ``"auto"``: labels where the column is there, ``"require"`` or ``"ignore"``.

        Raises:
            ValueError: if a column is missing or a cell is not what its field says.
        """
        name = self.schema.label
        with_label = label == "require" or (label == "auto" and name in block.columns)
        needed = needed_columns(self.schema)
        check_columns(block, needed + ((name,) if with_label else ()))
        table = block.table({*needed, name} if with_label else set(needed))
        labels = labels_of(table, self.schema) if with_label else None
        cells = [cells for cells, _ in cells_of(table, self.schema)]
        return self.encode_cells(cells, table.num_rows, labels)

    def encode_cells(
        self, cells: Sequence[Cells], num_rows: int, labels: Labels | None = None
    ) -> Rows:
        """Return the rows that cells (see `ctrkit.data.reading.cells_of`) make up."""
        by_name = dict(zip(self._position, cells, strict=True))
        for name in self.schema.crosses:
            by_name[name] = category_cells(name, by_name, self.statistics)
        tables = [self._table(name, by_name) for name in self.field_names]
        ids = np.empty((num_rows, sum(t.shape[1] for t, _ in tables)), dtype=np.int32)
        num_values = self.num_values
        values = np.empty((num_rows, num_values), dtype=np.float32) if num_values else None
        # A thousand rows at a time, so that the piece of the matrix stays in the cache.
        for start in range(0, num_rows, _GATHER_ROWS):
            rows = slice(start, start + _GATHER_ROWS)
            slot = value = 0
            for cell, (table, numbers) in zip(by_name.values(), tables, strict=True):
                codes = cell.codes[rows]
                if table.shape[1] == 1:
                    ids[rows, slot] = table[:, 0].take(codes)
                else:
                    ids[rows, slot : slot + table.shape[1]] = table[codes]
                slot += table.shape[1]
                if values is not None:
                    for column in numbers:
                        values[rows, value] = column.take(codes)
                        value += 1
        return Rows(ids, labels, values)

    def _table(
        self, name: str, by_name: Mapping[str, Cells]
    ) -> tuple[npt.NDArray[np.int32], list[npt.NDArray[np.float32]]]:
        """Return the ids ``(cells, K)`` and columns of values ``(cells,)`` of distinct cells."""
        cells = by_name[name]
        values: list[npt.NDArray[np.float32]] = []
        if isinstance(cells, NumberCells):
            ids, numbers = number_table(
                self._field(name).source, cells.numbers, self.statistics.get(name)
            )
            values.append(numbers)
        elif name in self._position:
            ids = self._category_ids(self._field(name), cells.keys)
        else:
            ids = self._cross_ids(name, cells.keys)
        if name in self.histories:
            history = self.histories[name]
            keys = history_keys(category_cells(name, by_name, self.statistics).keys)
            values += list(history.values(history.click_counts.counts_of(keys)).T)
        if isinstance(cells, NumberCells) or cells.slots is None:
            return ids[:, None], values
        padded = np.append(ids, np.int32(MISSING_ID))  # NO_TOKEN is -1, the last
        return padded[cells.slots], values

    def _category_ids(self, field: ModelField, keys: Keys) -> npt.NDArray[np.int32]:
        buckets = hash_buckets(self.schema, field)
        if buckets is not None:
            return bucket_ids(keys, buckets)
        return self.vocabularies[field.owner].lookup(keys)

    def _cross_ids(self, name: str, keys: Keys) -> npt.NDArray[np.int32]:
        if self.schema.cross_hash_buckets is not None:
            return bucket_ids(keys, self.schema.cross_hash_buckets)
        at = self.crosses[name].positions(keys)
        is_frequent = (at >= 0) & (at < self._num_frequent[name])
        return np.where(is_frequent, at + NUM_RESERVED_IDS, RARE_ID).astype(np.int32)

    def to_mapping(self) -> dict[str, Any]:
        """Return everything but the vocabularies as plain data."""
        histories = {name: history.to_mapping() for name, history in self.histories.items()}
        return {
            "format_version": self.format_version,
            "ctrkit_version": __version__,
            "schema": self.schema.to_mapping(),
            "vocabulary_sizes": {name: len(v) for name, v in self.vocabularies.items()},
            "statistics": {name: s.to_mapping() for name, s in self.statistics.items()},
            **({"histories": histories} if histories else {}),
        }

    @property
    def format_version(self) -> int:
        """Version of the files that `save` writes: the first that can hold the schema."""
        has_buckets = any(field.source.buckets is not None for field in self._fields)
        is_combined = self.schema.crosses or self.schema.history or has_buckets
        return COMBINED_VERSION if is_combined else FORMAT_VERSION

    @functools.cached_property
    def click_counts(self) -> dict[str, ClickCounts]:
        """Those of crosses and histories, by the name of the field; of a cross, both are one."""
        return {**{n: h.click_counts for n, h in self.histories.items()}, **self.crosses}

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides how rows are encoded; equal for equal encoders."""
        plain = self.to_mapping()
        del plain["ctrkit_version"]
        digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
        for name in sorted(self.vocabularies):
            tokens = self.vocabularies[name].tokens
            digest.update(tokens.keys.astype("<u8").tobytes() + tokens.long_bytes.tobytes())
        for name in sorted(self.click_counts):
            digest.update(name.encode() + self.click_counts[name].array().tobytes())
        return digest.hexdigest()

    def save(self, folder: str | Path, *, extra: Mapping[str, Any] | None = None) -> None:
        """Write the encoder into a folder, in place of a former one.

        Each file is whole or not there, ``schema.json`` is the last.

        Args:
            folder: where to write; made if missing.
            extra: further content of ``schema.json``.

        Raises:
            ValueError: if a statistic is not finite.
            OSError: if the folder cannot be written.
        """
        folder = Path(folder)
        sums = save_vocabularies(folder, self.schema, self.vocabularies)
        plain = {**self.to_mapping(), "vocabulary_crc32": sums, **(extra or {})}
        if self.click_counts:
            plain["click_counts"] = save_click_counts(folder, self.field_names, self.click_counts)
        save_json(folder / SCHEMA_FILE, plain)
        remove_others(folder, self.schema, self.vocabularies)
        remove_other_click_counts(folder, self.field_names, self.click_counts)

    @classmethod
    def load(cls, folder: str | Path) -> Encoder:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if a file is damaged or of another format version.
        """
        parts = read_encoder_parts(Path(folder))
        try:
            return cls(*parts)
        except ValueError as error:
            raise ValueError(f"{Path(folder, SCHEMA_FILE)} is damaged: {error}") from error
