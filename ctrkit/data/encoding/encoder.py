"""`Encoder`: rows of a log into ids and values, for training and for new rows."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit import __version__
from ctrkit.data.encoding.needs import (
    hash_buckets,
    needed_columns,
    needs_statistics,
    needs_vocabulary,
)
from ctrkit.data.encoding.statistics import Statistics, log1p_of
from ctrkit.data.encoding.vocabulary import Vocabulary, bucket_ids
from ctrkit.data.encoding.vocabulary_files import (
    VOCABULARY_FOLDER,
    file_names,
    read_vocabulary,
    remove_others,
    save_vocabularies,
)
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
from ctrkit.files import load_json, part_of, save_json
from ctrkit.options import MAX_LISTED, check_choice, printable, shortened, shown, suggest
from ctrkit.rows import Labels, Rows, concatenate

T = TypeVar("T")

FORMAT_VERSION = 1
"""Of ``schema.json``; grows when the same log would be encoded otherwise."""

SCHEMA_FILE = "schema.json"

LABEL_MODES = ("auto", "require", "ignore")
"""Labels where the rows have them; always, or an error; never."""

_GATHER_ROWS = 4096


class Encoder:
    """Turns rows into ids and values.

    Args:
        schema: the columns.
        vocabularies: by the name of the field that owns them; none for hashed fields.
        statistics: of the fields that are standardised, by name.

    Raises:
        ValueError: if the vocabulary or the statistics of a field are missing.

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
    ) -> None:
        self.schema = schema
        self.vocabularies = dict(vocabularies)
        self.statistics = dict(statistics or {})
        self._fields = schema.model_fields
        for field in self._fields:
            if needs_vocabulary(schema, field) and field.owner not in self.vocabularies:
                raise ValueError(f"vocabularies must hold one for field {field.owner}")
            if needs_statistics(field) and field.name not in self.statistics:
                raise ValueError(f"statistics must hold those of field {field.name}")

    def __repr__(self) -> str:
        return f"Encoder({len(self._fields)} fields, {self.num_ids} ids)"

    @functools.cached_property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields that the model sees, in order."""
        return tuple(field.name for field in self._fields)

    @functools.cached_property
    def cardinalities(self) -> tuple[int | FieldShape, ...]:
        """What a model must know of each field; a plain number if that suffices."""
        position = {field.name: index for index, field in enumerate(self._fields)}
        found: list[int | FieldShape] = []
        for field in self._fields:
            owner = self.schema.field(field.owner) if field.part is None else field.source
            shape = FieldShape(
                cardinality=self._cardinality(field),
                num_slots=field.source.num_slots,
                has_value=field.source.kind == NUMERIC,
                shares_with=None if field.owner == field.name else position[field.owner],
                width=owner.width,
            )
            plain = shape == FieldShape(cardinality=shape.cardinality)
            found.append(shape.cardinality if plain else shape)
        return tuple(found)

    @functools.cached_property
    def num_ids(self) -> int:
        """Number of ids of all fields, shared ones counted once."""
        return sum(self._cardinality(f) for f in self._fields if f.owner == f.name)

    @functools.cached_property
    def slot_limits(self) -> npt.NDArray[np.int32]:
        """``(S,)`` number of ids that each column of ids can hold."""
        limits = [[self._cardinality(f)] * f.source.num_slots for f in self._fields]
        return np.array([limit for group in limits for limit in group], dtype=np.int32)

    @functools.cached_property
    def slot_names(self) -> tuple[str, ...]:
        """``(S,)`` name of the field that each column of ids belongs to."""
        return tuple(f.name for f in self._fields for _ in range(f.source.num_slots))

    @functools.cached_property
    def num_values(self) -> int:
        """Number V of fields kept as numbers."""
        return sum(field.source.kind == NUMERIC for field in self._fields)

    def _cardinality(self, field: ModelField) -> int:
        if field.source.kind == NUMERIC:
            return RARE_ID + 1
        buckets = hash_buckets(self.schema, field)
        if buckets is not None:
            return buckets + NUM_RESERVED_IDS
        return self.vocabularies[field.owner].cardinality

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
        tables = [self._table(*pair) for pair in zip(self._fields, cells, strict=True)]
        ids = np.empty((num_rows, sum(t.shape[1] for t, _ in tables)), dtype=np.int32)
        num_values = self.num_values
        values = np.empty((num_rows, num_values), dtype=np.float32) if num_values else None
        # A thousand rows at a time, so that the piece of the matrix stays in the cache.
        for start in range(0, num_rows, _GATHER_ROWS):
            rows = slice(start, start + _GATHER_ROWS)
            slot = value = 0
            for cell, (table, numbers) in zip(cells, tables, strict=True):
                codes = cell.codes[rows]
                if table.shape[1] == 1:
                    ids[rows, slot] = table[:, 0].take(codes)
                else:
                    ids[rows, slot : slot + table.shape[1]] = table[codes]
                slot += table.shape[1]
                if numbers is not None and values is not None:
                    values[rows, value] = numbers.take(codes)
                    value += 1
        return Rows(ids, labels, values)

    def _table(
        self, field: ModelField, cells: Cells
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32] | None]:
        """Return the ids ``(cells, K)`` and the values ``(cells,)`` of the distinct cells."""
        if isinstance(cells, NumberCells):
            missing = np.isnan(cells.numbers)
            ids = np.where(missing, MISSING_ID, RARE_ID).astype(np.int32)
            known = np.where(missing, 0.0, cells.numbers)
            is_standard = needs_statistics(field)
            transform = self.statistics[field.name].standardised if is_standard else log1p_of
            return ids[:, None], np.where(missing, 1.0, transform(known)).astype(np.float32)
        buckets = hash_buckets(self.schema, field)
        if buckets is not None:
            ids = bucket_ids(cells.keys, buckets)
        else:
            ids = self.vocabularies[field.owner].lookup(cells.keys)
        if cells.slots is None:
            return ids[:, None], None
        padded = np.append(ids, np.int32(MISSING_ID))  # NO_TOKEN is -1, the last
        return padded[cells.slots], None

    def to_mapping(self) -> dict[str, Any]:
        """Return everything but the vocabularies as plain data."""
        return {
            "format_version": FORMAT_VERSION,
            "ctrkit_version": __version__,
            "schema": self.schema.to_mapping(),
            "vocabulary_sizes": {name: len(v) for name, v in self.vocabularies.items()},
            "statistics": {
                name: {"mean": s.mean, "deviation": s.deviation}
                for name, s in self.statistics.items()
            },
        }

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides how rows are encoded; equal for equal encoders."""
        plain = self.to_mapping()
        del plain["ctrkit_version"]
        digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
        for name in sorted(self.vocabularies):
            tokens = self.vocabularies[name].tokens
            digest.update(tokens.keys.astype("<u8").tobytes() + tokens.long_bytes.tobytes())
        return digest.hexdigest()

    def save(self, folder: str | Path, *, extra: Mapping[str, Any] | None = None) -> None:
        """Write ``schema.json`` and ``vocabularies/`` into a folder, in place of a former encoder.

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
        save_json(folder / SCHEMA_FILE, plain)
        remove_others(folder, self.schema, self.vocabularies)

    @classmethod
    def load(cls, folder: str | Path) -> Encoder:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if a file is damaged or of another format version.
        """
        folder = Path(folder)
        plain = read_schema_file(folder)
        check_version(plain, folder)
        where = folder / SCHEMA_FILE
        sizes = entry_of(plain, "vocabulary_sizes", where=where, kind=dict)
        try:
            schema = Schema.from_mapping(entry_of(plain, "schema", where=where, kind=dict))
            names = file_names(schema)
            for name in sizes:
                if name not in names:
                    check_choice("field", name, names)
            paths = {name: part_of(folder, VOCABULARY_FOLDER, names[name]) for name in sizes}
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} is damaged: {error}") from error
        vocabularies = {}
        for name, path in paths.items():
            crc32 = entry_of(plain, "vocabulary_crc32", name, where=where, kind=str)
            vocabularies[name] = read_vocabulary(path, sizes[name], crc32)
        try:
            return cls(schema, vocabularies, _statistics(plain, where))
        except ValueError as error:
            raise ValueError(f"{where} is damaged: {error}") from error


def _statistics(plain: Mapping[str, Any], where: Path) -> dict[str, Statistics]:
    found = {}
    for name in entry_of(plain, "statistics", where=where, kind=dict):
        mean, deviation = (
            entry_of(plain, "statistics", name, key, where=where, kind=float)
            for key in ("mean", "deviation")
        )
        if deviation < 0:
            raise ValueError(f"the deviation of {name} must not be negative, got {deviation}")
        found[name] = Statistics(mean, deviation)
    return found


def check_columns(block: Block, needed: Sequence[str]) -> None:
    """Raise ``ValueError`` unless the block has all the columns that are needed."""
    check_header(block, needed)
    there = set(block.columns)
    for name in needed:
        if name not in there:
            close = suggest(name, block.columns)
            known = shortened(", ".join(block.columns[:8]), MAX_LISTED)
            known += ", ..." if len(block.columns) > 8 else ""
            hint = close if "did you mean" in close else f"; the columns are {known}"
            raise ValueError(f"{block.source}: column {shown(name)} is missing{hint}")


def check_header(block: Block, known: Sequence[str]) -> None:
    """Raise ``ValueError`` if the first line of a text names no column that is known.

    The file then has another format, and the line is a row, which no message should show.
    """
    if block.unit == "line" and not set(known) & set(block.columns):
        begin = shortened(", ".join(known[:8]), MAX_LISTED) + ", ..." * (len(known) > 8)
        raise ValueError(
            f"{block.source}: the first line must name the columns, {begin}, and names none of "
            "them; does the file have a header, and the separator of the schema?"
        )


def read_schema_file(folder: Path) -> dict[str, Any]:
    """Return the content of ``schema.json``.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    path = part_of(folder, SCHEMA_FILE)
    try:
        plain = load_json(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{folder} holds no {SCHEMA_FILE}: it is not prepared data, or incomplete"
        ) from error
    if "format_version" not in plain:
        raise ValueError(f"{path} is damaged: it must hold a format_version")
    return plain


def entry_of(plain: Any, *keys: str, where: Path, kind: type[T]) -> T:
    """Return the entry under nested keys in the content of a file.

    Raises:
        ValueError: if a key is missing or the value is of another type, naming the file.
    """
    path = ".".join(map(printable, keys))  # one may be a name out of the file
    found = plain
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            raise ValueError(f"{where} is damaged: it must hold {path}")
        found = found[key]
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise ValueError(f"{where} is damaged: {path} must be {kind.__name__}, got {shown(found)}")
    return found


def check_version(plain: Mapping[str, Any], folder: Path) -> None:
    """Raise ``ValueError`` unless the content of ``schema.json`` can be understood."""
    version = plain["format_version"]
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{folder / SCHEMA_FILE} must have format_version {FORMAT_VERSION}, "
            f"got {shown(version)}; prepare the log again, or use the ctrkit that wrote it "
            f"({printable(plain.get('ctrkit_version', 'unknown'))})"
        )
