"""Criteo Display Advertising: tab separated, no header, label, I1..I13, C1..C26."""

from __future__ import annotations

from ctrkit.data.schemas.field import CATEGORICAL, INTEGER, Field
from ctrkit.data.schemas.schema import Schema

CRITEO = Schema(
    fields=(
        *(Field(f"I{number}", INTEGER) for number in range(1, 14)),
        *(Field(f"C{number}", CATEGORICAL) for number in range(1, 27)),
    ),
    label="label",
    separator="\t",
    header=False,
    quote="",
    min_count=8,
)
"""39 fields. Integers are bucketed; categories seen less than 8 times in training are rare."""
