"""DataFrames and Parquet files as blocks of rows."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import infer_dtype, is_datetime64_any_dtype

from ctrkit.data.reading.bad_rows import BadRow, BadRowsError
from ctrkit.data.reading.block_rows import most_rows
from ctrkit.data.reading.blocks import Block, Table
from ctrkit.data.reading.frames.cells import bad_cells, column_of, exact_text, holds_objects
from ctrkit.data.reading.frames.pandas_index import PandasIndex
from ctrkit.data.reading.raw import check_file, spelled_path, stream_of
from ctrkit.data.schemas import (
    DEFAULT_SEPARATOR,
    MULTIVALUED,
    Schema,
    unique_names,
    with_first_named,
)

BLOCK_ROWS = 1 << 16
_MAGIC = b"PAR1"


@dataclass(frozen=True, kw_only=True)
class FrameBlock(Block):
    """Consecutive rows of a frame (see `Block`).

    Args:
        frame: the rows.
        separators: of the multi-valued columns, whose lists are joined by it.
    """

    frame: pd.DataFrame
    separators: Mapping[str, str]
    unit = "row"

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return with_first_named(map(str, self.frame.columns))

    def list_columns(self) -> list[str]:
        """Return the names of the columns that hold lists, by their first cell."""
        found = []
        for position, name in enumerate(self.columns):
            cells = self.frame.iloc[:, position]
            first = cells.dropna().head(1) if holds_objects(cells) else cells[:0]
            if any(isinstance(cell, (list, tuple, np.ndarray)) for cell in first):
                found.append(name)
        return found

    @property
    def num_lines(self) -> int:
        """Number of rows."""
        return len(self.frame)

    def table(self, wanted: Collection[str]) -> Table:
        """Return the wanted columns (see `Block`)."""
        found = {}
        for position, name in enumerate(self.columns):
            if name not in wanted:
                continue
            cells = self.frame.iloc[:, position]
            separator = self.separators.get(name)
            try:
                found[name] = column_of(cells, separator)
            except (ValueError, TypeError, NotImplementedError) as error:
                bad = bad_cells(name, cells, separator, error)
                raise BadRowsError(self.place, bad) from error
        num_rows = len(self.frame)
        return Table(num_rows, found, lambda: np.arange(num_rows + 1), self.place)

    def content(self, row: BadRow) -> str:
        """Return the cells of a row (see `Block`)."""
        cells = (self.frame.iat[row.start, column] for column in range(self.frame.shape[1]))
        return "\t".join(map(str, cells))

    def without(self, is_bad: npt.NDArray[np.bool_]) -> FrameBlock:
        """Return the block without some of its rows (see `Block`)."""
        return dataclasses.replace(self, frame=self.frame[~is_bad], kept=self.kept_without(is_bad))


class ColumnSource(ABC):
    """A source that gives its rows as pieces of a frame."""

    name: str
    stream = None

    @abstractmethod
    def _pieces(self, schema: Schema) -> Generator[tuple[pd.DataFrame, int], None, None]:
        """Yield the rows in pieces, each with the number of all of them."""

    @abstractmethod
    def date_columns(self) -> set[str]:
        """Return the names of the columns that hold dates or times."""

    def first_block(self, schema: Schema) -> FrameBlock:
        """Return the first rows (see `Source`)."""
        with closing(self.blocks(schema)) as blocks:
            return next(blocks)

    def blocks(self, schema: Schema) -> Generator[FrameBlock, None, None]:
        """Return the rows in blocks (see `Source`)."""
        separators = {
            field.name: field.separator or DEFAULT_SEPARATOR
            for field in schema.fields
            if field.kind == MULTIVALUED
        }
        start = 0
        for frame, num_rows in self._pieces(schema):
            unique_names(map(str, frame.columns), self.name)
            end = start + len(frame)
            yield FrameBlock(
                source=self.name,
                first=start + 1,
                fraction=min(end / num_rows, 1.0),
                frame=frame,
                separators=separators,
            )
            start = end
        if not start:
            raise ValueError(f"{self.name} is empty")


def check_frame(frame: Any) -> None:
    """Raise ``TypeError`` unless rows are a DataFrame."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"frame must be a DataFrame, got a {type(frame).__name__}")


class FrameSource(ColumnSource):
    """A DataFrame. An empty text, None and NaN are missing cells; a named index is a column.

    Args:
        frame: the rows.
        name: what messages call it.
    """

    def __init__(self, frame: pd.DataFrame, *, name: str = "DataFrame") -> None:
        self._frame = _with_index(frame)
        self.name = name

    def content_hash(self) -> str:
        """Return a SHA-256 of the names of the columns and a 64-bit hash of every cell."""
        return self._content_hash

    @functools.cached_property
    def _content_hash(self) -> str:
        digest = hashlib.sha256()
        for position, name in enumerate(self._frame.columns):
            digest.update(f"{name}\n{self._frame.dtypes.iloc[position]}\n".encode())
            column = self._frame.iloc[:, position]
            if holds_objects(column):
                column = column.astype(object).map(exact_text)
            digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
        return digest.hexdigest()

    def about_rows(self, schema: Schema) -> int:
        """Return the number of rows."""
        del schema
        return len(self._frame)

    def date_columns(self) -> set[str]:
        """Return the names of the columns of dates and times."""
        return {
            str(name)
            for name, column in self._frame.items()
            if is_datetime64_any_dtype(column.dtype)
            or infer_dtype(column.iloc[:BLOCK_ROWS]) in ("date", "datetime")
        }

    def _pieces(self, schema: Schema) -> Generator[tuple[pd.DataFrame, int], None, None]:
        num_rows = min(BLOCK_ROWS, most_rows(schema, self._frame.shape[1]))
        for start in range(0, len(self._frame), num_rows):
            yield self._frame.iloc[start : start + num_rows], len(self._frame)


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose named indexes are its last columns, as they are in a Parquet file."""
    taken = set(map(str, frame.columns))
    for level, name in enumerate(frame.index.names):
        if name is not None and str(name) not in taken and frame.columns.nlevels == 1:
            frame = frame.copy(deep=False)
            values = frame.index.get_level_values(level)
            frame.insert(frame.shape[1], name, values, allow_duplicates=True)
    return frame


class ParquetSource(ColumnSource):
    """A Parquet file; needs pyarrow. An index that pandas wrote with a name is a column.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is a stream.
        ImportError: if pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.name = spelled_path(path)
        if stream_of(self._path) is not None:
            raise ValueError(f"{self.name}: Parquet cannot be read from a stream; give a file")
        check_file(self._path)
        try:
            self._parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise ImportError(
                f"{path}: Parquet needs pyarrow; install it with pip install 'ctrkit[parquet]'"
            ) from error

    def content_hash(self) -> str:
        """Return the SHA-256 of the file."""
        return self._content_hash

    @functools.cached_property
    def _content_hash(self) -> str:
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def about_rows(self, schema: Schema) -> int | None:
        """Return the number of rows; None where the file is damaged."""
        del schema
        try:
            return int(self._parquet.read_metadata(self._path).num_rows)
        except Exception:  # of any kind, see `_pieces`; it is said when the rows are read
            return None

    def date_columns(self) -> set[str]:
        """Return the names of the columns of dates and times."""
        types = importlib.import_module("pyarrow.types")
        return {
            field.name
            for field in self._parquet.read_schema(self._path)
            if types.is_timestamp(field.type) or types.is_date(field.type)
        }

    def _check_names(self) -> None:
        """Refuse too many columns before any row of them is read."""
        try:
            names = self._parquet.read_schema(self._path).names
        except Exception:  # of any kind, see `_pieces`; it is said when the rows are read
            return
        unique_names(names, self.name)

    def _pieces(self, schema: Schema) -> Generator[tuple[pd.DataFrame, int], None, None]:
        self._check_names()
        start = 0
        try:
            with self._parquet.ParquetFile(self._path) as file:
                index = PandasIndex.of(file.schema_arrow)
                num_rows = min(BLOCK_ROWS, most_rows(schema, len(file.schema_arrow)))
                for batch in file.iter_batches(batch_size=num_rows, use_threads=False):
                    # Or texts that are no UTF-8 would come to light later.
                    batch.validate(full=True)
                    # Whole numbers with gaps would become floats, which lose digits; and what
                    # pandas has noted would make an index of columns.
                    frame = batch.to_pandas(integer_object_nulls=True, ignore_metadata=True)
                    yield index.applied(frame, start), file.metadata.num_rows
                    start += len(frame)
        except Exception as error:  # pyarrow raises a dozen kinds for a damaged file
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"{self.name} is damaged or not Parquet: {reason}") from error


def is_parquet(path: Path) -> bool:
    """Return whether a file begins and ends as Parquet does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
        file.seek(-len(_MAGIC), os.SEEK_END)
        return file.read() == _MAGIC
