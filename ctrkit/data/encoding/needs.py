"""What an encoder needs for each field of a schema: columns, vocabularies, statistics."""

from __future__ import annotations

from ctrkit.data.schemas import NUMERIC, ModelField, Schema


def hash_buckets(schema: Schema, field: ModelField) -> int | None:
    """Return the number of buckets of a hashed field, None for any other."""
    return field.source.hash_buckets if field.part else schema.field(field.owner).hash_buckets


def needs_vocabulary(schema: Schema, field: ModelField) -> bool:
    """Return whether the field's ids come from a vocabulary."""
    return field.source.kind != NUMERIC and hash_buckets(schema, field) is None


def needs_statistics(field: ModelField) -> bool:
    """Return whether the field's values depend on the training rows."""
    number = field.source
    return number.kind == NUMERIC and (number.transform != "log1p" or number.buckets is not None)


def needed_columns(schema: Schema) -> tuple[str, ...]:
    """Return the columns, except the label, that encoding needs."""
    return tuple(dict.fromkeys(field.source.name for field in schema.model_fields))
