"""Rows of short tokens as text, fast: eight bytes a cell, with unused zero bytes dropped.

A token of up to eight characters is one ``uint64``, its first character in the lowest byte. A
column of tokens is then a column of numbers, and a million cells cost a few table look-ups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

TextCodes = npt.NDArray[np.uint64]

EMPTY = np.uint64(0)
"""The token of an empty cell."""


def text_tokens(values: npt.ArrayLike) -> TextCodes:
    """Return the tokens of strings or whole numbers of at most eight ASCII characters.

    Example:
        >>> text_tokens([7]) == ord("7")
        array([ True])
    """
    return np.asarray(values).astype("S8").view("<u8")


_FOUR_HEX_DIGITS = text_tokens([f"{number:04x}" for number in range(1 << 16)])


_FOUR_DIGITS = text_tokens([f"{number:04d}" for number in range(10_000)])


def hex_tokens(numbers: npt.NDArray[np.uint64]) -> TextCodes:
    """Return the eight hexadecimal digits of the lower 32 bits of every number."""
    high = _FOUR_HEX_DIGITS[(numbers >> np.uint64(16)) & np.uint64(0xFFFF)]
    low = _FOUR_HEX_DIGITS[numbers & np.uint64(0xFFFF)]
    tokens: TextCodes = high | (low << np.uint64(32))
    return tokens


def four_digit_tokens(numbers: npt.NDArray[np.int64]) -> TextCodes:
    """Return the four decimal digits of every number below 10,000."""
    return _FOUR_DIGITS[numbers]


class TextMatrix:
    """A reusable block of rows, written column by column and read as bytes.

    Args:
        cells_per_column: cells that a column's text is joined from; 1 for tokens of at most eight
            characters.
        num_rows: rows of the block.
        separator: the character between columns.

    Example:
        >>> matrix = TextMatrix([1, 1], num_rows=2, separator=",")
        >>> matrix.set(0, text_tokens([1, 0]))
        >>> matrix.set(1, text_tokens(["a5", ""]))
        >>> matrix.text(2)
        b'1,a5\\n0,\\n'
    """

    def __init__(self, cells_per_column: Sequence[int], *, num_rows: int, separator: str) -> None:
        layout: list[tuple[str, str]] = []
        for column, num_cells in enumerate(cells_per_column):
            layout += [(_cell(column, cell), "<u8") for cell in range(num_cells)]
            layout.append((f"end {column}", "u1"))
        self._rows = np.zeros(num_rows, dtype=layout)
        for column in range(len(cells_per_column)):
            self._rows[f"end {column}"] = ord(separator)
        self._rows[f"end {len(cells_per_column) - 1}"] = ord("\n")

    def set(self, column: int, tokens: TextCodes, *, cell: int = 0) -> None:
        """Write one cell of a column for all rows."""
        self._rows[_cell(column, cell)] = tokens

    def text(self, num_rows: int) -> bytes:
        """Return the first `num_rows` rows as text."""
        return self._rows[:num_rows].tobytes().translate(None, b"\0")


def _cell(column: int, cell: int) -> str:
    return f"cell {column}.{cell}"
