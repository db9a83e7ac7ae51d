"""Data frames and Parquet files -> columns."""

from ctrkit.data.reading.frames.source import (
    ColumnSource,
    FrameBlock,
    FrameSource,
    ParquetSource,
    check_frame,
    is_parquet,
)
