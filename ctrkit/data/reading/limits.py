"""How long a cell and a line of a log may be, and how many cells are read at a time."""

from __future__ import annotations

MAX_CELL_BYTES = 64 << 10
"""The longest cell, without its quotes. A cell's key takes a step for every eight bytes."""

MAX_LINE_BYTES = 16 << 20
"""The longest line, the longest row within quotes, and the longest run of blank lines."""

MAX_ROW_CELLS = 1 << 20
"""The most cells of a row within quotes that takes several lines; one line bounds them itself."""

MAX_BLOCK_CELLS = 1 << 22
"""Cells of a block, and ids that they become; a block of 16 MiB of Criteo rows has 2.7 million."""


def is_too_long(cell: str) -> bool:
    """Return whether a cell is longer than `MAX_CELL_BYTES` as UTF-8."""
    if len(cell) <= MAX_CELL_BYTES // 4:
        return False
    return len(cell.encode("utf-8", "surrogateescape")) > MAX_CELL_BYTES


def shown_size(size: int) -> str:
    """Return a limit as a message shows it.

    Example:
        >>> shown_size(MAX_LINE_BYTES)
        '16 MiB'
    """
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size:,} bytes"
