"""Prepared data: `Dataset`, the rows of one part, and `PreparedData`, the folder of all three."""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrkit.arrays import check_finite, check_labels, check_row_arrays
from ctrkit.data.encoding import (
    SCHEMA_FILE,
    Encoder,
    check_version,
    entry_of,
    read_schema_file,
)
from ctrkit.data.schemas import Schema
from ctrkit.data.storing.folder import TemporaryFolder
from ctrkit.data.storing.parts import IDS_FILE, LABELS_FILE, PARTS, VALUES_FILE
from ctrkit.data.storing.verify import check_stored_rows
from ctrkit.fields import FieldShape, field_shapes
from ctrkit.files import map_array, part_of
from ctrkit.rows import Rows

Positions = slice | npt.NDArray[Any] | Sequence[int]


class Dataset:
    """Encoded rows with labels; memory-mapped if they are in a folder.

    Args:
        ids: ``(N, S)`` int32.
        labels: ``(N,)`` 0 or 1.
        values: ``(N, V)`` float32; None if no field is kept as a number.

    Raises:
        TypeError: if ids are not int32, or labels or values are no numbers.
        ValueError: if the arrays do not have the same number of rows, a label is neither 0 nor 1
            or a value is not finite.

    Example:
        >>> ids = np.array([[2, 3], [0, 1], [2, 1]], dtype=np.int32)
        >>> data = Dataset(ids, np.array([1, 0, 0], dtype=np.uint8))
        >>> data
        Dataset(3 rows, 2 id columns, 33.33 % clicks)
        >>> data.take([2, 0]).labels
        array([0, 1], dtype=uint8)
    """

    def __init__(
        self,
        ids: npt.NDArray[np.int32],
        labels: npt.NDArray[Any],
        values: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self._hold(ids, labels, values)
        check_labels("labels", labels)
        if values is not None:
            check_finite("values", values)

    def _hold(
        self,
        ids: npt.NDArray[np.int32],
        labels: npt.NDArray[Any],
        values: npt.NDArray[np.float32] | None,
    ) -> None:
        """Take arrays of the right types and shapes, whose content is not read."""
        check_row_arrays("", ids, labels, values)
        if ids.dtype != np.int32:
            raise TypeError(f"ids must be int32, got {ids.dtype}")
        self.ids = ids
        self.labels = labels
        self.values = values
        self.kept_folder: TemporaryFolder | None = None
        self._folder: Path | None = None

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Map the arrays of one part of prepared data into memory.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if a file is damaged, or the arrays do not fit together.
        """
        folder = Path(folder)
        values = part_of(folder, VALUES_FILE)
        try:
            dataset = cls.__new__(cls)
            dataset._hold(
                map_array(part_of(folder, IDS_FILE), "<i4", 2),
                map_array(part_of(folder, LABELS_FILE), "|u1", 1),
                map_array(values, "<f4", 2) if values.exists() else None,
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}, the folder is incomplete") from error
        dataset._folder = folder.resolve()
        return dataset

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process opens the files again instead of getting a copy of the rows.
        if self._folder is not None:
            return Dataset.open, (self._folder,)
        return Dataset, (self.ids, self.labels, self.values)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by the name of the file that holds each of them in prepared data."""
        found = {IDS_FILE: self.ids, LABELS_FILE: self.labels, VALUES_FILE: self.values}
        return {name: array for name, array in found.items() if array is not None}

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self)

    @functools.cached_property
    def num_clicks(self) -> int:
        """Number of rows whose label is 1."""
        return int(np.count_nonzero(self.labels))

    @property
    def click_rate(self) -> float:
        """Clicks per row; NaN where there are no rows."""
        return self.num_clicks / len(self) if len(self) else float("nan")

    def take(self, index: Positions) -> Rows:
        """Return some rows, copied into memory if the index is a list.

        Args:
            index: a slice, or the positions of the rows.

        Raises:
            IndexError: if a position is out of range.
        """
        rows = index if isinstance(index, slice) else np.asarray(index)
        return Rows(self.ids, self.labels, self.values)[rows]

    def __repr__(self) -> str:
        columns = f"{self.ids.shape[1]} id columns"
        if self.values is not None:
            columns += f", {self.values.shape[1]} value columns"
        rate = f", {100 * self.click_rate:.2f} % clicks" if len(self) else ""
        return f"Dataset({len(self):,} rows, {columns}{rate})"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"


class PreparedData:
    """A folder of prepared data, opened.

    Args:
        path: the folder.
        check: read all rows, to be sure that they are as they were written, and that ids are those
            of this folder's vocabularies; 8 million rows of 39 fields take .6 seconds
            when they are in memory.

    Attributes:
        train, valid, test: the `Dataset` of each part; one may have no rows.
        encoder: the `Encoder` that made them.
        info: what ``schema.json`` records of the preparation: ``fingerprint``, ``options``,
            ``sources``, how many rows of theirs were ``skipped`` and, per part, ``rows`` and
            ``clicks``.

    Raises:
        FileNotFoundError: if the folder is missing or incomplete.
        ValueError: if it is damaged or of another format version.
    """

    def __init__(self, path: str | Path, *, check: bool = True) -> None:
        self.path = Path(path)
        self.kept_folder: TemporaryFolder | None = None
        if not self.path.exists():
            raise FileNotFoundError(f"{path} does not exist; make it with ctrkit prepare")
        plain = read_schema_file(self.path)
        check_version(plain, self.path)
        if "prepared" not in plain:
            raise ValueError(f"{self.path / SCHEMA_FILE} is a run's schema, not prepared data")
        self.info = self._check_info(plain)
        self.encoder = Encoder.load(self.path)
        self.train, self.valid, self.test = (self._open(part, check) for part in PARTS)

    def _check_info(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """Return what ``schema.json`` records of the preparation; each entry has its type."""
        where = self.path / SCHEMA_FILE
        info = entry_of(plain, "prepared", where=where, kind=dict)
        entry_of(plain, "prepared", "fingerprint", where=where, kind=str)
        for name in ("options", "sources", "parts"):
            entry_of(plain, "prepared", name, where=where, kind=dict)
        info.setdefault("skipped", {})
        for part in entry_of(plain, "prepared", "skipped", where=where, kind=dict):
            if entry_of(plain, "prepared", "skipped", part, where=where, kind=int) < 0:
                raise ValueError(f"{where} is damaged: skipped rows must not be negative")
        return info

    def _open(self, part: str, check: bool) -> Dataset:
        folder = part_of(self.path, part)
        dataset = Dataset.open(folder)
        plain, where = {"prepared": self.info}, self.path / SCHEMA_FILE
        keys = ("prepared", "parts", part)
        num_rows = entry_of(plain, *keys, "rows", where=where, kind=int)
        try:
            num_slots = sum(shape.num_slots for shape in field_shapes(self.encoder.cardinalities))
        except ValueError as error:
            raise ValueError(f"{where} is damaged: {error}") from error
        if dataset.ids.shape != (num_rows, num_slots):
            raise ValueError(
                f"{folder / IDS_FILE} must have shape {(num_rows, num_slots)} as {SCHEMA_FILE} "
                f"says, got {dataset.ids.shape}"
            )
        num_values = 0 if dataset.values is None else dataset.values.shape[1]
        if num_values != self.encoder.num_values:
            raise ValueError(
                f"{folder} must hold {self.encoder.num_values} columns of values, got {num_values}"
            )
        if check:
            sums = entry_of(plain, *keys, "crc32", where=where, kind=dict)
            check_stored_rows(folder, dataset.arrays, self.encoder, sums)
        return dataset

    @property
    def schema(self) -> Schema:
        """The columns."""
        return self.encoder.schema

    @property
    def cardinalities(self) -> tuple[int | FieldShape, ...]:
        """What a model must know of each field."""
        return self.encoder.cardinalities

    @property
    def num_skipped(self) -> int:
        """Number of bad rows that were skipped; ``skipped.tsv`` in the folder lists them."""
        return sum(self.info["skipped"].values())

    def keep(self, folder: TemporaryFolder) -> PreparedData:
        """Keep a temporary folder for as long as this object or one of its parts lives."""
        for holder in (self, self.train, self.valid, self.test):
            holder.kept_folder = folder
        return self

    def __repr__(self) -> str:
        parts = ", ".join(f"{part} {len(getattr(self, part)):,}" for part in PARTS)
        fields = len(self.encoder.field_names)
        return f"PreparedData({parts} rows, {fields} fields, {self.encoder.num_ids:,} ids)"

    def _repr_html_(self) -> str:
        rows = ""
        for part in PARTS:
            data: Dataset = getattr(self, part)
            rate = f"{100 * data.click_rate:.2f} %" if len(data) else "–"
            rows += f"<tr><th>{part}</th><td>{len(data):,}</td><td>{rate}</td></tr>"
        fields = f"{len(self.encoder.field_names)} fields, {self.encoder.num_ids:,} ids"
        return (
            f"<p>Prepared data in <code>{html.escape(str(self.path))}</code>: {fields}</p>"
            f"<table><tr><th>part</th><th>rows</th><th>clicks</th></tr>{rows}</table>"
        )


def load(folder: str | Path, *, check: bool = True) -> PreparedData:
    """Open a folder of prepared data, even while another process replaces it.

    Args:
        folder: what `ctrkit.data.prepare` made.
        check: read all rows, to be sure that they are as they were written, and that ids are those
            of this folder's vocabularies.

    Raises:
        FileNotFoundError: if the folder is missing or incomplete.
        ValueError: if it is damaged or of another format version.
    """
    while True:
        began_with = _identity(folder)
        try:
            data = PreparedData(folder, check=check)
        except (FileNotFoundError, ValueError):
            if _identity(folder) == began_with:
                raise
        else:
            if _identity(folder) == began_with:
                return data
        # Some files were from the old folder and some from the new one.


def _identity(folder: str | Path) -> tuple[int, int] | None:
    """Return the identity of the folder of this name, None if there is none."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino
