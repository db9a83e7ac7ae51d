"""Skip bad rows: read a block again until it has none left, and list them in a file."""

from __future__ import annotations

import heapq
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt

from ctrkit.data.reading.bad_rows import BadRow, BadRowsError, SkippedRow
from ctrkit.data.reading.blocks import Block
from ctrkit.files import atomic_write

T = TypeVar("T")
PathLike = str | os.PathLike[str]

BAD_ROWS = ("error", "skip", "stop-after N")
SKIPPED_FILE = "skipped.tsv"
SKIPPED_COLUMNS = ("file", "line", "reason", "content")


def most_bad_rows(bad_rows: str) -> int | None:
    """Return how many rows may be skipped: none, any number (None), or N of ``"stop-after N"``.

    Raises:
        ValueError: if it is none of the three.

    Example:
        >>> most_bad_rows("error"), most_bad_rows("skip"), most_bad_rows("stop-after 10")
        (0, None, 10)
    """
    if bad_rows in ("error", "skip"):
        return 0 if bad_rows == "error" else None
    word, _, number = bad_rows.partition(" ")
    if word != "stop-after" or not (number.isascii() and number.isdigit() and int(number)):
        raise ValueError(
            "bad_rows must be error, skip or stop-after N with a positive whole number N, "
            f"got {bad_rows!r}"
        )
    return int(number)


def read_good_rows(
    block: Block, read: Callable[[Block], T], keep: Callable[[Iterator[SkippedRow]], object]
) -> T | None:
    """Read a block without its bad rows; return what `read` returns, or None if no row is left.

    A block that has none costs nothing more. One that has some is read again without them, until
    no check finds another.

    Args:
        block: the rows.
        read: what reads a block, and raises `BadRowsError`.
        keep: goes through the rows that are left out, in their order; is called each time that
            some are found.
    """
    while True:
        try:
            return read(block)
        except BadRowsError as error:
            is_bad = np.zeros(block.num_lines, dtype=np.bool_)
            keep(_marked(block, error.rows, is_bad))
        if is_bad.all():
            return None
        block = block.without(is_bad)


def _marked(
    block: Block, rows: Iterator[BadRow], is_bad: npt.NDArray[np.bool_]
) -> Iterator[SkippedRow]:
    for row in rows:
        is_bad[row.start : row.end] = True
        yield block.skipped(row)


def remove_list(path: Path) -> None:
    """Remove the list of rows that an earlier command has skipped, and no other file."""
    header = "\t".join(SKIPPED_COLUMNS).encode()
    if path.is_file():
        with path.open("rb") as file:
            is_list = file.readline().rstrip(b"\n") == header
        if is_list:
            path.unlink()


class Listing:
    """The skipped rows of a block, in temporary files: a block may hold millions.

    Args:
        path: what the names of the files begin with.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths: list[Path] = []

    def add(self, rows: Iterator[SkippedRow]) -> None:
        """Write rows, which are in their order."""
        self._paths.append(self._path.with_name(f"{self._path.name}-skipped-{len(self._paths)}"))
        with self._paths[-1].open("w", encoding="ascii") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def __iter__(self) -> Iterator[SkippedRow]:
        """Return all rows in their order."""
        with ExitStack() as stack:
            files = [stack.enter_context(path.open(encoding="ascii")) for path in self._paths]
            rows = [(SkippedRow(*json.loads(line)) for line in file) for file in files]
            yield from heapq.merge(*rows, key=lambda row: row.number)


class SkippedRows(ExitStack):
    """Counts the skipped rows and lists them in a file; a context manager.

    Args:
        path: the file, made if there are any, whole or not there; None for no list.
        limit: how many there may be; None for any number.

    Attributes:
        counts: how many there are of each part.
        first: the first of each source, by its name.
    """

    def __init__(self, path: PathLike | None = None, limit: int | None = None) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.first: dict[str, SkippedRow] = {}
        self._path = None if path is None else Path(path)
        self._limit = limit
        self._file: IO[str] | None = None

    @property
    def total(self) -> int:
        """How many there are."""
        return self.counts.total()

    def add(self, part: str, rows: Iterable[SkippedRow]) -> None:
        """Take the rows that were skipped in the next block.

        Raises:
            ValueError: if there are more than allowed.
        """
        for row in rows:
            if self.total == self._limit:
                raise ValueError(
                    f"{row}; with it, {self._limit + 1:,} rows are bad, and bad_rows "
                    f"'stop-after {self._limit}' allows {self._limit:,}"
                )
            self.counts[part] += 1
            self.first.setdefault(row.source, row)
            self._list(row)

    def _list(self, row: SkippedRow) -> None:
        if self._path is None:
            return
        if self._file is None:
            temporary = self.enter_context(atomic_write(self._path))
            self._file = self.enter_context(
                temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
            )
            self._file.write("\t".join(SKIPPED_COLUMNS) + "\n")
        self._file.write("\t".join(row.cells()) + "\n")
