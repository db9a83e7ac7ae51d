"""Schemas: what the columns of a log are; those of the known logs."""

from ctrkit.data.schemas.avazu import AVAZU
from ctrkit.data.schemas.combined import AUTO, NONE, has_one_category, parts_of
from ctrkit.data.schemas.criteo import CRITEO
from ctrkit.data.schemas.field import (
    CATEGORICAL,
    DEFAULT_SEPARATOR,
    DROPPED,
    INTEGER,
    MULTIVALUED,
    NUMERIC,
    TIMESTAMP,
    Field,
    ModelField,
)
from ctrkit.data.schemas.names import unique_names
from ctrkit.data.schemas.schema import Schema
