"""Raw logs into encoded rows: `prepare` and `load`, `Schema`, and the `Encoder` of new rows."""

from ctrkit.data.columns import mix
from ctrkit.data.encoding import ENCODER_FOLDERS, Encoder, entry_of, needed_columns, read_rows
from ctrkit.data.guessing import ColumnSeen, SchemaGuess, guess_schema, infer_schema
from ctrkit.data.preparing import PrepareConfig, Progress, ReadConfig, SourceConfig, prepare
from ctrkit.data.reading import (
    SKIPPED_FILE,
    SkippedRow,
    SkippedRows,
    check_frame,
    log_squared_bucket,
    most_bad_rows,
    remove_list,
)
from ctrkit.data.schemas import Field, Schema, built_in_schema
from ctrkit.data.storing import PARTS, Dataset, PreparedData, load, new_folder
from ctrkit.rows import Rows

__all__ = [
    "ColumnSeen",
    "Dataset",
    "Encoder",
    "Field",
    "PrepareConfig",
    "PreparedData",
    "Progress",
    "ReadConfig",
    "Rows",
    "Schema",
    "SchemaGuess",
    "SkippedRows",
    "built_in_schema",
    "guess_schema",
    "infer_schema",
    "load",
    "prepare",
    "read_rows",
]
