"""Files and frames -> blocks of rows -> cells, as a schema says."""

from ctrkit.data.reading.bad_rows import BadCellsError, SkippedRow
from ctrkit.data.reading.blocks import Block, Source, Table
from ctrkit.data.reading.cells import (
    LABELS,
    Cells,
    NumberCells,
    TokenCells,
    cells_of,
    labels_of,
    log_squared_bucket,
    times_of,
)
from ctrkit.data.reading.frames import ColumnSource, FrameBlock, FrameSource, check_frame
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
    check_streams,
    open_sources,
)
