"""Schemas: what the columns of a log are; those of the known logs."""

from ctrkit.data.schemas.built_in import BUILT_IN, built_in_schema
from ctrkit.data.schemas.combined import AUTO, NONE, has_one_category, parts_of
from ctrkit.data.schemas.field import (
    CATEGORICAL,
    DEFAULT_SEPARATOR,
    DROPPED,
    INTEGER,
    MULTIVALUED,
    NUM_BUCKETS,
    NUMERIC,
    TIME_PARTS,
    TIMESTAMP,
    Field,
    ModelField,
)
from ctrkit.data.schemas.names import FIRST_UNNAMED, unique_names, with_first_named
from ctrkit.data.schemas.schema import Schema
