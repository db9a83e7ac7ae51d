"""How many rows of a log to read at a time."""

from __future__ import annotations

from ctrkit.data.reading import limits
from ctrkit.data.schemas import Schema


def most_rows(schema: Schema, num_columns: int) -> int:
    """Return how many rows a block may have, so that memory does not grow with what a row becomes.

    Args:
        schema: the columns; a multi-valued one becomes many ids.
        num_columns: cells of a row.

    Example:
        >>> from ctrkit.data import Field
        >>> most_rows(Schema([Field("tags", "multivalued", max_slots=1000)]), num_columns=2)
        4194
    """
    num_ids = sum(field.source.num_slots for field in schema.model_fields)
    return max(limits.MAX_BLOCK_CELLS // max(num_columns, num_ids), 1)
