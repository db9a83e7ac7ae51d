"""`read_rows`: raw rows, as they come, encoded chunk by chunk."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from ctrkit.data.encode import LABEL_MODES, Encoder, Rows
from ctrkit.data.sources import SourceLike, open_sources
from ctrkit.data.table import Source
from ctrkit.data.workers import default_workers, in_order
from ctrkit.options import check_choice, check_positive

BLOCK_BYTES = 4 << 20
"""Size of a block of text: `prepare` takes larger ones, for which its counts are added up less
often; here they would only cost memory, several times their size for each thread."""


def read_rows(
    source: SourceLike,
    encoder: Encoder,
    *,
    label: str = "auto",
    chunk_rows: int = 65536,
    format: str | None = None,  # noqa: A002
    num_workers: int | None = None,
) -> Generator[Rows, None, None]:
    """Return raw rows in their order, encoded, in chunks of bounded size.

    Blocks are encoded by threads, as many ahead as there are threads. Close the generator where
    it is left early, and they end at once.

    Args:
        source: path of a file, list of paths, or a DataFrame; written as the schema says.
        encoder: of a run or of prepared data.
        label: ``"auto"``: with labels where the rows have them, ``"require"`` or ``"ignore"``.
        chunk_rows: rows of a chunk, at most.
        format: see `ctrkit.data.PrepareConfig`; Parquet is recognised by its content.
        num_workers: threads; None for one per processor, at most 8. No row depends on it.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if a row is not as the schema says, naming file, line and column.
    """
    check_choice("label mode", label, LABEL_MODES)
    check_positive(chunk_rows=chunk_rows)
    if num_workers is not None:
        check_positive(num_workers=num_workers)
    opened = open_sources(source, format=format, block_bytes=BLOCK_BYTES)
    return _chunks(opened, encoder, label, chunk_rows, num_workers or default_workers())


def _chunks(
    opened: Sequence[Source], encoder: Encoder, label: str, chunk_rows: int, num_workers: int
) -> Generator[Rows, None, None]:
    tasks = (
        (functools.partial(encoder.encode_block, block, label=label), None)
        for one in opened
        for block in one.blocks(encoder.schema)
    )
    with (
        ThreadPoolExecutor(num_workers, thread_name_prefix="ctrkit-read") as pool,
        closing(in_order(pool, tasks, num_workers + 1)) as encoded,
    ):
        for rows, _ in encoded:
            for start in range(0, len(rows), chunk_rows):
                yield rows[start : start + chunk_rows]
