"""The schema of a log: given, built in, or guessed from its first rows."""

from ctrkit.data.guessing.guess import (
    guess_schema,
    infer_schema,
    naming_the_guess,
    resolve_schema,
)
from ctrkit.data.guessing.schema_guess import ColumnSeen, SchemaGuess
