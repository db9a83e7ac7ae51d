"""Raw logs into encoded rows: `prepare` and `load`, `Schema`, and the `Encoder` that serves."""

from ctrkit.data.config import PrepareConfig, Progress, ReadConfig
from ctrkit.data.dataset import Dataset, PreparedData, load
from ctrkit.data.encode import Encoder
from ctrkit.data.prepare import prepare
from ctrkit.data.rows import Rows
from ctrkit.data.schema import Field, Schema
from ctrkit.data.serve import read_rows
from ctrkit.data.skip import SkippedRows
from ctrkit.data.sources import built_in_schema, infer_schema

__all__ = [
    "Dataset",
    "Encoder",
    "Field",
    "PrepareConfig",
    "PreparedData",
    "Progress",
    "ReadConfig",
    "Rows",
    "Schema",
    "SkippedRows",
    "built_in_schema",
    "infer_schema",
    "load",
    "prepare",
    "read_rows",
]
