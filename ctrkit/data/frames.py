"""DataFrames and Parquet files as blocks of rows."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import importlib
import os
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import infer_dtype, is_datetime64_any_dtype, is_hashable

from ctrkit.data.bad_rows import BadRow, BadRowsError, SkippedRow
from ctrkit.data.block_rows import most_rows
from ctrkit.data.pandas_index import PandasIndex
from ctrkit.data.raw import check_file, name_of, stream_of
from ctrkit.data.schema import DEFAULT_SEPARATOR, MULTIVALUED, Schema, unique_names
from ctrkit.data.table import Table
from ctrkit.data.tokens import Column, Tokens, smallest
from ctrkit.options import shown

BLOCK_ROWS = 1 << 16
_EXACT_WHOLE = 1 << 53
_MAGIC = b"PAR1"

_EQUAL_ALIKE = ("string", "integer", "floating", "boolean", "empty")
"""Kinds of objects that have the same text where they are equal; the decimals 1.0 and 1.00, or
moments in two time zones, have not."""


@dataclass(frozen=True)
class FrameBlock:
    """Consecutive rows of a frame.

    Args:
        source: name of the source.
        first_row: number of the first row in it, counted from 0.
        frame: the rows.
        separators: of the multi-valued columns, whose lists are joined by it.
        fraction: how much of the source lies before the end of the block.
        kept: number of each row in the block as it was, where rows were left out since.
    """

    source: str
    first_row: int
    frame: pd.DataFrame
    separators: Mapping[str, str]
    fraction: float
    kept: npt.NDArray[np.int64] | None = None

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(map(str, self.frame.columns))

    @property
    def unit(self) -> str:
        """What its rows are counted in."""
        return "row"

    @property
    def num_lines(self) -> int:
        """Number of rows."""
        return len(self.frame)

    def table(self, wanted: Collection[str]) -> Table:
        """Return the wanted columns (see `Block`)."""

        def place(row: int) -> str:
            return f"{self.source}, row {self.number(row)}"

        found = {}
        for position, name in enumerate(self.columns):
            if name not in wanted:
                continue
            cells = self.frame.iloc[:, position]
            separator = self.separators.get(name)
            try:
                found[name] = _column(cells, separator)
            except (ValueError, TypeError, NotImplementedError) as error:
                raise BadRowsError(place, _bad_cells(name, cells, separator, error)) from error
        table = Table(len(self.frame), found, lambda: np.arange(len(self.frame) + 1), place)
        table.refuse_long_cells()
        return table

    def number(self, row: int) -> int:
        """Return the number of a row in the source, from 1."""
        return self.first_row + 1 + (row if self.kept is None else int(self.kept[row]))

    def skipped(self, row: BadRow) -> SkippedRow:
        """Return a row as a list of skipped rows shows it."""
        cells = (self.frame.iat[row.start, column] for column in range(self.frame.shape[1]))
        content = "\t".join(map(str, cells))
        return SkippedRow(self.source, self.unit, self.number(row.start), row.reason, content)

    def without(self, is_bad: npt.NDArray[np.bool_]) -> FrameBlock:
        """Return the block without some of its rows (see `Block`)."""
        kept = np.flatnonzero(~is_bad) if self.kept is None else self.kept[~is_bad]
        return dataclasses.replace(self, frame=self.frame[~is_bad], kept=kept)


class FrameSource:
    """A DataFrame. An empty text, None and NaN are missing cells; a named index is a column.

    Args:
        frame: the rows.
        name: what messages call it.
    """

    def __init__(self, frame: pd.DataFrame, *, name: str = "DataFrame") -> None:
        self._frame = _with_index(frame)
        self.name = name
        self.stream = None

    def content_hash(self) -> str:
        """Return a SHA-256 of the names of the columns and a 64-bit hash of every cell."""
        return self._content_hash

    @functools.cached_property
    def _content_hash(self) -> str:
        digest = hashlib.sha256()
        for position, name in enumerate(self._frame.columns):
            digest.update(f"{name}\n{self._frame.dtypes.iloc[position]}\n".encode())
            column = self._frame.iloc[:, position]
            if _holds_objects(column):
                column = column.astype(object).map(_exact)
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

    def first_block(self, schema: Schema) -> FrameBlock:
        """Return the first rows (see `Source`)."""
        return next(self.blocks(schema))

    def blocks(self, schema: Schema) -> Iterator[FrameBlock]:
        """Return the rows in blocks (see `Source`)."""
        if not len(self._frame):
            raise ValueError(f"{self.name} is empty")
        unique_names(map(str, self._frame.columns), self.name)
        num_rows = _num_rows(schema, self._frame.shape[1])
        for start in range(0, len(self._frame), num_rows):
            end = start + num_rows
            frame = self._frame.iloc[start:end]
            yield _block(frame, schema, self.name, start, end / len(self._frame))


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose named indexes are its last columns, as they are in a Parquet file."""
    taken = set(map(str, frame.columns))
    for level, name in enumerate(frame.index.names):
        if name is not None and str(name) not in taken and frame.columns.nlevels == 1:
            frame = frame.copy(deep=False)
            values = frame.index.get_level_values(level)
            frame.insert(frame.shape[1], name, values, allow_duplicates=True)
    return frame


class ParquetSource:
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
        self.name = name_of(path)
        self.stream = None
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
        except Exception:  # of any kind, see `_frames`; it is said when the rows are read
            return None

    def date_columns(self) -> set[str]:
        """Return the names of the columns of dates and times."""
        types = importlib.import_module("pyarrow.types")
        return {
            field.name
            for field in self._parquet.read_schema(self._path)
            if types.is_timestamp(field.type) or types.is_date(field.type)
        }

    def first_block(self, schema: Schema) -> FrameBlock:
        """Return the first rows (see `Source`)."""
        with closing(self.blocks(schema)) as blocks:
            return next(blocks)

    def blocks(self, schema: Schema) -> Generator[FrameBlock, None, None]:
        """Return the rows in blocks (see `Source`)."""
        start = 0
        self._check_names()
        for frame, num_rows in self._frames(schema):
            unique_names(map(str, frame.columns), self.name)
            end = start + len(frame)
            yield _block(frame, schema, self.name, start, end / num_rows)
            start = end
        if not start:
            raise ValueError(f"{self.name} is empty")

    def _check_names(self) -> None:
        """Refuse too many columns before any row of them is read."""
        try:
            names = self._parquet.read_schema(self._path).names
        except Exception:  # of any kind, see `_frames`; it is said when the rows are read
            return
        unique_names(names, self.name)

    def _frames(self, schema: Schema) -> Iterator[tuple[pd.DataFrame, int]]:
        """Yield the rows in pieces, each with the number of all of them."""
        start = 0
        try:
            with self._parquet.ParquetFile(self._path) as file:
                index = PandasIndex.of(file.schema_arrow)
                num_rows = _num_rows(schema, len(file.schema_arrow))
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


def _num_rows(schema: Schema, num_columns: int) -> int:
    """Return how many rows a block has."""
    return min(BLOCK_ROWS, most_rows(schema, num_columns))


def _block(
    frame: pd.DataFrame, schema: Schema, name: str, start: int, fraction: float
) -> FrameBlock:
    separators = {
        field.name: field.separator or DEFAULT_SEPARATOR
        for field in schema.fields
        if field.kind == MULTIVALUED
    }
    return FrameBlock(name, start, frame, separators, min(fraction, 1.0))


def _column(series: pd.Series[Any], separator: str | None) -> Column:
    if separator is not None and _holds_objects(series):
        series = series.astype(object).map(lambda cell: _join(cell, separator))
    if series.dtype == object and infer_dtype(series) not in _EQUAL_ALIKE:
        series = pd.Series([_single_text(cell) for cell in series], dtype=object)
    codes, distinct = pd.factorize(series)
    texts = _texts_of(distinct)
    missing = codes < 0
    if missing.any():
        codes = np.where(missing, len(texts), codes)
        texts.append("")
    return Column(smallest(codes, len(texts)), Tokens.from_texts(texts))


def _texts_of(distinct: Any) -> list[str]:
    """Return the texts of distinct cells, as `pandas.factorize` returns them."""
    dtype = distinct.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _texts_of(distinct.categories.take(distinct.codes))
    if dtype.kind == "f":
        # A float of NumPy prints with the digits of its own precision, one of Python's with more.
        plain = getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))
        numbers = np.asarray(distinct, dtype=plain)
        return list(map(text_of, numbers.tolist() if plain == np.float64 else numbers))
    if dtype.kind in "iu":
        return list(map(str, distinct.tolist()))
    return list(map(text_of, distinct.tolist()))


def _single_text(cell: Any) -> str:
    if not is_hashable(cell):
        raise TypeError(f"cells must hold single values, got a {type(cell).__name__}")
    return text_of(cell)


def _bad_cells(
    name: str, cells: pd.Series[Any], separator: str | None, error: Exception
) -> Iterator[BadRow]:
    """Yield the rows for which `_column` raises an error."""
    has_found = False
    for row, cell in enumerate(cells):
        try:
            value: Any = cell if separator is None else _join(cell, separator)
            if is_hashable(value):
                Tokens.from_texts([text_of(value)])
                continue
            reason = (
                f" must hold single values, got a {type(value).__name__}; join it into one text, "
                'or give the field kind "multivalued"'
            )
        except (ValueError, TypeError) as wrong:
            reason = f": {wrong}"
        has_found = True
        yield BadRow(row, row + 1, f"column {name}{reason}")
    if not has_found:
        yield BadRow(0, len(cells), f"column {name}: {error}")


def _holds_objects(series: pd.Series[Any]) -> bool:
    """Return whether the cells may be lists."""
    return series.dtype == object or isinstance(series.dtype, pd.ArrowDtype)


def _exact(cell: Any) -> str:
    """Return a text that differs where cells do; ``repr`` of a long array leaves numbers out."""
    if isinstance(cell, np.ndarray):
        return f"{cell.dtype}{_exact(cell.tolist())}"
    if isinstance(cell, (list, tuple)):
        return f"[{', '.join(map(_exact, cell))}]"
    return repr(cell)


def _join(cell: Any, separator: str) -> Any:
    """Return the items of a list in one text; any other cell as it is.

    Raises:
        ValueError: if an item holds the separator, so that it would be split again.
        TypeError: if an item is a list itself.
    """
    if not isinstance(cell, (list, tuple, np.ndarray)):
        return cell
    texts = []
    for item in cell:
        if isinstance(item, tuple) or not is_hashable(item):
            raise TypeError(f"items of a list must be single values, got a {type(item).__name__}")
        text = text_of(item)
        if separator in text:
            raise ValueError(
                f"item {shown(text)} of a list must not hold the separator {separator!r}; "
                "choose another separator in the schema"
            )
        texts.append(text)
    return separator.join(texts)


def text_of(value: Any) -> str:
    """Return a cell of a frame as the text that a file would hold.

    Example:
        >>> [text_of(value) for value in (3.0, 0.5, True, None, "a")]
        ['3', '0.5', '1', '', 'a']
    """
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return ""
        number = float(value)
        is_whole = number.is_integer() and abs(number) < _EXACT_WHOLE
        return str(int(number)) if is_whole else str(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return str(value)
