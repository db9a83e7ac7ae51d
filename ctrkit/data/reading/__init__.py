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
