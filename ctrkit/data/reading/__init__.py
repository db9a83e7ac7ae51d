"""Files and frames -> blocks of rows -> cells, as a schema says."""

from ctrkit.data.reading.bad_rows import SkippedRow
from ctrkit.data.reading.blocks import Block, Source
from ctrkit.data.reading.cells import (
    Cells,
    NumberCells,
    TokenCells,
    cells_of,
    labels_of,
    log_squared_bucket,
    times_of,
)
from ctrkit.data.reading.frames import FrameSource, check_frame
from ctrkit.data.reading.skipping import (
    BAD_ROWS,
    SKIPPED_FILE,
    Listing,
    SkippedRows,
    most_bad_rows,
    read_good_rows,
    remove_list,
)
from ctrkit.data.reading.sources import (
    FORMATS,
    PathLike,
    SourceLike,
    built_in_schema,
    check_streams,
    infer_schema,
    open_sources,
    resolve_schema,
)

__all__ = [
    "BAD_ROWS",
    "FORMATS",
    "SKIPPED_FILE",
    "Block",
    "Cells",
    "FrameSource",
    "Listing",
    "NumberCells",
    "PathLike",
    "SkippedRow",
    "SkippedRows",
    "Source",
    "SourceLike",
    "TokenCells",
    "built_in_schema",
    "cells_of",
    "check_frame",
    "check_streams",
    "infer_schema",
    "labels_of",
    "log_squared_bucket",
    "most_bad_rows",
    "open_sources",
    "read_good_rows",
    "remove_list",
    "resolve_schema",
    "times_of",
]
