"""Check that a block has the columns that encoding needs."""

from __future__ import annotations

from collections.abc import Sequence

from ctrkit.data.reading import Block
from ctrkit.options import MAX_LISTED, shortened, shown, suggest


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
