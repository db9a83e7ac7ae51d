"""`read_rows`: raw rows, encoded chunk by chunk."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import numpy as np
import numpy.typing as npt

from ctrkit.data.encoding.encoder import LABEL_MODES, Encoder
from ctrkit.data.reading import Block, SkippedRow, Source, SourceLike, open_sources, read_good_rows
from ctrkit.machine import Workers, default_workers
from ctrkit.options import check_choice, check_positive
from ctrkit.rows import Rows

BLOCK_BYTES = 4 << 20
"""Size of a block of text: `prepare` takes larger ones, for which its counts are added up less
often; here they would only cost memory, several times their size for each thread."""


OnSkipped = Callable[[Sequence[SkippedRow], npt.NDArray[np.int64]], None]
"""Takes bad rows, in their order, and how many good rows of the source precede each of them."""


def read_rows(
    source: SourceLike,
    encoder: Encoder,
    *,
    label: str = "auto",
    chunk_rows: int = 65536,
    format: str | None = None,  # noqa: A002
    num_workers: int | None = None,
    on_skipped: OnSkipped | None = None,
) -> Generator[Rows, None, None]:
    """Return raw rows in their order, encoded, in chunks of bounded size.

    Threads encode blocks, as many ahead as there are threads, until the generator is closed.

    Args:
        source: path of a file, list of paths, or a DataFrame; written as the schema says;
            ``"-"`` is standard input.
        encoder: of a run or of prepared data.
        label: ``"auto"``: with labels where the rows have them, ``"require"`` or ``"ignore"``.
        chunk_rows: rows of a chunk, at most.
        format: see `ctrkit.data.PrepareConfig`; Parquet is recognised by its content.
        num_workers: threads; None for one per processor, at most 8. No row depends on it.
        on_skipped: skip rows that cannot be read, and call this with them before later good rows
            are returned; None to raise an error.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if a row is not as the schema says, naming file, line and column.
    """
    check_choice("label mode", label, LABEL_MODES)
    check_positive(chunk_rows=chunk_rows, num_workers=num_workers)
    opened = open_sources(
        source, format=format, block_bytes=BLOCK_BYTES, skip=on_skipped is not None
    )
    return _chunks(opened, encoder, label, chunk_rows, num_workers or default_workers(), on_skipped)


def _chunks(
    opened: Sequence[Source],
    encoder: Encoder,
    label: str,
    chunk_rows: int,
    num_workers: int,
    on_skipped: OnSkipped | None,
) -> Generator[Rows, None, None]:
    encode = functools.partial(encoder.encode_block, label=label)
    tasks = (
        functools.partial(_read, block, encode, skip=on_skipped is not None)
        for one in opened
        for block in one.blocks(encoder.schema)
    )
    num_rows = 0
    with Workers(num_workers) as workers, closing(workers.in_order(tasks)) as encoded:
        for rows, skipped, preceding in encoded:
            if skipped and on_skipped is not None:
                on_skipped(skipped, num_rows + preceding)
            if rows is None:
                continue
            num_rows += len(rows)
            for start in range(0, len(rows), chunk_rows):
                yield rows[start : start + chunk_rows]


def _read(
    block: Block, encode: Callable[[Block], Rows], *, skip: bool
) -> tuple[Rows | None, list[SkippedRow], npt.NDArray[np.int64]]:
    """Return the good rows of a block, the bad ones, and how many good rows precede each."""
    skipped: list[SkippedRow] = []
    none = np.empty(0, dtype=np.int64)
    if not skip:
        return encode(block), skipped, none
    good = read_good_rows(block, lambda block: (encode(block), block), skipped.extend)
    skipped.sort(key=lambda row: row.number)
    if good is None:
        return None, skipped, np.zeros(len(skipped), dtype=np.int64)
    rows, left = good
    if not skipped:
        return rows, skipped, none
    numbers = [left.number(line) for line in left.table(()).lines()[:-1].tolist()]
    return rows, skipped, np.searchsorted(numbers, [row.number for row in skipped])
