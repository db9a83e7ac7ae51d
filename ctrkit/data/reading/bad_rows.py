"""Rows that cannot be read: where they are, why, and how a file lists them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\x00"}
    # Bytes that are not UTF-8, decoded by Python's error handler "surrogateescape".
    | {chr(0xDC00 + byte): f"\\x{byte:02x}" for byte in range(0x80, 0x100)}
)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a block that cannot be read.

    Args:
        start: its first line in the block, counted from 0.
        end: the line after its last.
        reason: what is wrong, without the place.
        offset: lines from the first to the one to look at.
    """

    start: int
    end: int
    reason: str
    offset: int = 0


class BadRowsError(ValueError):
    """Rows of a block cannot be read; the message is about the first.

    Args:
        place: line of the block -> where it came from.
        found: the rows, in their order, at least one.

    Attributes:
        rows: the same rows; all but the first are searched during iteration.
    """

    def __init__(self, place: Callable[[int], str], found: Iterator[BadRow]) -> None:
        first = next(found)
        super().__init__(f"{place(first.start + first.offset)}: {first.reason}")
        self.rows = itertools.chain([first], found)


class BadCellsError(BadRowsError):
    """Cells are not what the schema says."""


class SkippedRow(NamedTuple):
    """A row that was skipped.

    Args:
        source: name of the file or frame.
        unit: what it is counted in, ``"line"`` or ``"row"``.
        number: of its first line or row, from 1.
        reason: what is wrong with it.
        content: the row as in the file, without the line end.
    """

    source: str
    unit: str
    number: int
    reason: str
    content: str

    def __str__(self) -> str:
        return f"{self.source}, {self.unit} {self.number}: {self.reason}"

    def cells(self) -> tuple[str, str, str, str]:
        r"""Return file, number, reason and content, fit for a tab separated file.

        Backslash, tab, newline and return become ``\\``, ``\t``, ``\n`` and ``\r``, a zero byte
        and bytes that are not UTF-8 ``\x00`` and the like.
        """
        source, reason, content = (
            text.translate(_ESCAPES) for text in (self.source, self.reason, self.content)
        )
        return source, str(self.number), reason, content
