"""What data and models agree on: the shape of one encoded field, and its reserved ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MISSING_ID = 0
"""Id of an empty cell, and the padding of a multi-valued field."""

RARE_ID = 1
"""Id that rare and unseen values share (and of every present number kept as a value)."""

NUM_RESERVED_IDS = 2

MAX_SLOTS = 200_000
"""Most id columns of all fields together, 20,000 fields of 10 slots: a row takes 800 KB."""

MAX_VALUE_COLUMNS = 200_000
"""Most columns of values of all fields together."""


@dataclass(frozen=True, kw_only=True)
class FieldShape:
    """What a model must know of one field. A plain number stands for ``FieldShape(cardinality=n)``.

    Args:
        cardinality: number of distinct ids; ids run from 0 to ``cardinality - 1``.
        num_slots: id columns of the field in ``ids``; more than one means multi-valued, and the
            vectors of the slots that are not ``MISSING_ID`` are averaged.
        has_value: whether a column of ``values`` scales the field's vector.
        num_values: columns of ``values`` that move the field's vector, each along a direction that
            is learned; for numbers beside an id, as a count beside its bucket.
        shares_with: index of an earlier field whose table rows this field uses.
        width: length of the field's own table rows, projected to the model's D; ``None`` for D.

    Raises:
        ValueError: if a size is not positive, or options exclude each other.
    """

    cardinality: int
    num_slots: int = 1
    has_value: bool = False
    shares_with: int | None = None
    width: int | None = None
    num_values: int = 0

    def __post_init__(self) -> None:
        if self.cardinality < 1:
            raise ValueError(f"cardinality must be at least 1, got {self.cardinality}")
        if self.num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, got {self.num_slots}")
        if self.has_value and self.num_slots > 1:
            raise ValueError("a multi-valued field cannot carry a value")
        if self.width is not None and self.width < 1:
            raise ValueError(f"width must be at least 1, got {self.width}")
        if self.num_values < 0:
            raise ValueError(f"num_values must not be negative, got {self.num_values}")
        if self.has_value and self.num_values:
            raise ValueError(
                "a field with has_value, whose value scales its vector, cannot have num_values, "
                f"which move it, got {self.num_values}"
            )

    @property
    def value_columns(self) -> int:
        """Number of the field's columns in ``values``."""
        return 1 if self.has_value else self.num_values

    def to_mapping(self) -> dict[str, int | bool | None]:
        """Return it as plain data; ``num_values`` only where there are some, as in older files."""
        return {key: value for key, value in vars(self).items() if key != "num_values" or value}


Cardinalities = Sequence[int | FieldShape]
"""One entry per field, in column order."""


def field_shapes(cardinalities: Cardinalities) -> tuple[FieldShape, ...]:
    """Return every field as a `FieldShape`.

    Raises:
        ValueError: if there is no field, there are too many slots or values, or a shared table is
            not an earlier field's.
    """
    shapes = tuple(
        entry if isinstance(entry, FieldShape) else FieldShape(cardinality=int(entry))
        for entry in cardinalities
    )
    if not shapes:
        raise ValueError("cardinalities must name at least one field, got none")
    num_slots = sum(shape.num_slots for shape in shapes)
    if num_slots > MAX_SLOTS:
        raise ValueError(f"fields must have at most {MAX_SLOTS:,} slots together, got {num_slots}")
    num_values = sum(shape.value_columns for shape in shapes)
    if num_values > MAX_VALUE_COLUMNS:
        raise ValueError(
            f"fields must have at most {MAX_VALUE_COLUMNS:,} values together, got {num_values}"
        )
    for index, shape in enumerate(shapes):
        if shape.shares_with is None:
            continue
        if not 0 <= shape.shares_with < index:
            raise ValueError(
                f"field {index} must share the table of an earlier field, got {shape.shares_with}"
            )
        owner = shapes[shape.shares_with]
        if owner.shares_with is not None:
            raise ValueError(f"field {index} must share with an owner, got {shape.shares_with}")
        if (shape.cardinality, shape.width) != (owner.cardinality, owner.width):
            raise ValueError(
                f"field {index} must have the cardinality and width of field {shape.shares_with}, "
                f"whose table it shares, got {shape} and {owner}"
            )
    return shapes
