"""Disk that a preparation will need, before the log is read."""

from __future__ import annotations

from ctrkit.data.schemas import NUMERIC, Schema

NUMBER_BYTES = 4
"""Size of an id or a value."""

SPILLED_CELL_BYTES = 2.5
"""Bytes of a cell put aside, on average: its code, a share of the distinct cells and their counts.
Generated Criteo and Avazu rows take 2.9 and 2.5; a column of few categories takes 1, of many 4."""

TIME_BYTES = 8


def array_row_bytes(schema: Schema) -> int:
    """Return the size of a row in the arrays of prepared data: ids, values and label."""
    fields = [field.source for field in schema.model_fields]
    num_values = sum(field.kind == NUMERIC for field in fields)
    return NUMBER_BYTES * (sum(field.num_slots for field in fields) + num_values) + 1


def preparation_disk(schema: Schema, num_rows: int, *, with_times: bool) -> int:
    """Return the bytes that a preparation has on the disk at its end, when it removes its spill.

    Args:
        schema: the columns.
        num_rows: rows of the log.
        with_times: whether they are split by time.
    """
    # A label and a part of one byte each.
    spilled = SPILLED_CELL_BYTES * len(schema.model_fields) + 2 + TIME_BYTES * with_times
    return round(num_rows * (array_row_bytes(schema) + spilled))
