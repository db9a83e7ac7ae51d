"""Names of combined fields, ``"user+item"``, and checks of crosses and history."""

from __future__ import annotations

from collections.abc import Sequence

from ctrkit.data.schemas.field import MULTIVALUED, NUMERIC, Field, ModelField
from ctrkit.options import shown, suggest

CROSS_SIGN = "+"
"""Stands between the fields of a combination."""

AUTO, NONE = ("auto",), ("none",)
"""Crosses or history to be chosen from the training rows, or not wanted."""

MOST_CROSSED = 4
"""More fields in one combination have hardly a row twice."""


def parts_of(name: str) -> tuple[str, ...]:
    """Return the names of the fields of a combination; of a plain field, its own."""
    return tuple(name.split(CROSS_SIGN))


def has_one_category(field: ModelField) -> bool:
    """Return whether every row has one category of a field."""
    kind, buckets = field.source.kind, field.source.buckets
    return kind != MULTIVALUED and (kind != NUMERIC or buckets is not None)


def check_combined(
    option: str,
    names: Sequence[str],
    *,
    label: str,
    columns: Sequence[Field],
    fields: Sequence[ModelField],
) -> None:
    """Check the crosses or the history of a schema.

    Args:
        option: ``"crosses"`` or ``"history"``.
        names: of fields and combinations.
        label: name of the label.
        columns: of the log.
        fields: of the model.

    Raises:
        ValueError: if a name repeats, or names no field of the model, a field that has no
            categories, or the label.
    """
    if names in (AUTO, NONE):
        return
    known = {field.name: field for field in fields}
    for name in names:
        parts = (name,) if option == "history" and name in known else parts_of(name)
        try:
            least = 2 if option == "crosses" else 1
            if not least <= len(parts) <= MOST_CROSSED:
                raise ValueError(f"must name {least} to {MOST_CROSSED} fields, got {len(parts)}")
            if len(set(parts)) < len(parts):
                raise ValueError("must name different fields")
            for part in parts:
                _check_part(part, label, columns, known)
            if list(names).count(name) > 1:
                raise ValueError("must be named once, got it twice")
        except ValueError as error:
            raise ValueError(f"{option} {shown(name)}: {error}") from error


def _check_part(
    part: str, label: str, columns: Sequence[Field], known: dict[str, ModelField]
) -> None:
    if part == label:
        raise ValueError(f"{shown(part)} is the label, which a new row does not have")
    if part in known:
        if not has_one_category(known[part]):
            kind = known[part].source.kind
            hint = "; give it buckets" if kind == NUMERIC else ""
            raise ValueError(f"{shown(part)} must have one category a row, got {kind}{hint}")
        return
    column = next((column for column in columns if column.name == part), None)
    if column is None:
        raise ValueError(f"unknown field {shown(part)}{suggest(part, known)}")
    of_time = [field.name for field in known.values() if field.source == column]
    if of_time:
        raise ValueError(f"{shown(part)} is a timestamp, name {' or '.join(of_time)}")
    raise ValueError(f"column {shown(part)} is dropped, and no field of the model")
