"""`read_rows`: raw rows, as they come, encoded chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctrkit.data.encode import LABEL_MODES, Encoder, Rows
from ctrkit.data.sources import SourceLike, open_sources
from ctrkit.data.table import Source
from ctrkit.options import check_choice, check_positive


def read_rows(
    source: SourceLike,
    encoder: Encoder,
    *,
    label: str = "auto",
    chunk_rows: int = 65536,
    format: str | None = None,  # noqa: A002
) -> Iterator[Rows]:
    """Return raw rows in their order, encoded, in chunks of bounded size.

    Args:
        source: path of a file, list of paths, or a DataFrame; written as the schema says.
        encoder: of a run or of prepared data.
        label: ``"auto"``: with labels where the rows have them, ``"require"`` or ``"ignore"``.
        chunk_rows: rows of a chunk, at most.
        format: see `ctrkit.data.PrepareConfig`; Parquet is recognised by its content.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if a row is not as the schema says, naming file, line and column.
    """
    check_choice("label mode", label, LABEL_MODES)
    check_positive(chunk_rows=chunk_rows)
    opened = open_sources(source, format=format)
    return _chunks(opened, encoder, label, chunk_rows)


def _chunks(
    opened: Sequence[Source], encoder: Encoder, label: str, chunk_rows: int
) -> Iterator[Rows]:
    for one in opened:
        for block in one.blocks(encoder.schema):
            rows = encoder.encode_block(block, label=label)
            for start in range(0, len(rows), chunk_rows):
                yield rows[start : start + chunk_rows]
