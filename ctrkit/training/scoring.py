"""Scoring: logits of many rows in cache-sized chunks, and the metrics on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ctrkit.machine import (
    chunk_rows,
    freed_memory_kept,
    full_rate,
    memory_errors,
    release_pages,
    single_threads,
)
from ctrkit.metrics import Metrics, compute_metrics
from ctrkit.models import CTRModel
from ctrkit.options import check_workers
from ctrkit.rows import Rows, concatenate
from ctrkit.training.input import (
    Examples,
    check_examples,
    check_ids,
    check_inputs,
    id_limits,
)

BLOCK_ROWS = 1 << 16
"""Rows that are in memory at a time: read of mapped arrays, then shared out among the threads."""

BLOCK_IDS = 1 << 24
"""Most ids that are in memory at a time, where rows have more than 256 of them."""


def score(
    model: CTRModel, examples: Examples, *, precision: str = "float32"
) -> NDArray[np.float32]:
    """Return the logits ``(N,)`` of all rows, in eval mode and without gradients.

    Raises:
        TypeError: if ids or values are arrays of a wrong type.
        ValueError: if they do not fit together, a value is not finite or an id is out of range.
    """
    check_inputs(examples)
    return _score(model, examples, precision)


def _score(model: CTRModel, examples: Examples, precision: str) -> NDArray[np.float32]:
    return joined(score_stream(model, blocks_of(examples), precision=precision), len(examples.ids))


def blocks_of(examples: Examples, block_rows: int = BLOCK_ROWS) -> Iterator[Rows]:
    """Yield all rows in blocks; release mapped memory after each."""
    ids, values = examples.ids, examples.values
    block_rows = min(block_rows, max(1, BLOCK_IDS // max(1, math.prod(ids.shape[1:]))))
    for start in range(0, len(ids), block_rows):
        block = slice(start, start + block_rows)
        yield Rows(ids[block], values=None if values is None else values[block])
        release_pages(ids)
        if values is not None:
            release_pages(values)


def joined(parts: Iterable[NDArray[Any]], num_rows: int) -> NDArray[np.float32]:
    """Return `num_rows` logits that come in parts, without a list of the parts."""
    logits = np.empty(num_rows, np.float32)
    stop = 0
    for part in parts:
        start, stop = stop, stop + len(part)
        logits[start:stop] = part
    return logits


def score_stream(
    model: CTRModel,
    blocks: Iterable[Rows],
    *,
    precision: str = "float32",
    num_workers: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of consecutive blocks of rows, with memory bounded by the blocks.

    Rows are cut into chunks counted from the first row of the stream, whatever the blocks, so
    that the same rows in the same order give the same bits: ``predict`` on a file and
    ``evaluate`` on the prepared rows agree exactly. On a processor each chunk is scored by one
    thread, so that the bits do not depend on the number of threads either.

    Args:
        model: the model, on one device.
        blocks: rows in order; labels and targets are ignored.
        precision: ``"float32"`` or ``"bf16"``.
        num_workers: threads on a processor; None for as many as PyTorch uses.

    Raises:
        ValueError: if an id is out of range, or `num_workers` is no number of threads.
        MemoryError: if the memory does not suffice.
    """
    check_workers(num_workers=num_workers)
    device = next(model.parameters()).device
    size = chunk_rows(device)
    limits = id_limits(model)
    workers = (num_workers or torch.get_num_threads()) if device.type == "cpu" else 1

    def logits(chunk: Rows) -> NDArray[np.float32]:
        ids, values = chunk.ids, chunk.values
        check_ids(ids, limits)
        with torch.inference_mode(), autocast(device, precision):
            found = model(
                torch.from_numpy(ids).to(device),
                None if values is None else torch.from_numpy(values).to(device),
            )
        return found.float().cpu().numpy()  # type: ignore[no-any-return]

    chunks = _rechunked(blocks, size)
    at_once = max(1, min(BLOCK_ROWS, BLOCK_IDS // len(limits)) // size)
    some = list(islice(chunks, at_once))
    with freed_memory_kept():
        while some:
            # Entered for each of these, so that the caller's loop over them runs as usual; the
            # threads last, because they must end before the mode is restored.
            with (
                memory_errors(),
                eval_mode(model),
                full_rate(device),
                single_threads(workers) as pool,
            ):
                scores = pool.map(logits, some)
                some = list(islice(chunks, at_once))  # read while the others are scored
                scored = np.concatenate(list(scores))
            yield scored


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode for a block, and back."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def autocast(device: torch.device, precision: str) -> Any:
    """Return the autocast context of a precision option; it does nothing for float32."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-logits))`` in float64; float32 would merge high ones into ties."""
    wide = logits.astype(np.float64)
    return np.exp(-np.logaddexp(0.0, -wide))


def evaluate(model: CTRModel, examples: Examples, *, precision: str = "float32") -> Metrics:
    """Return the metrics of a model on rows with labels.

    Raises:
        TypeError: if an array is of a wrong type.
        ValueError: if there is only one class, a label is neither 0 nor 1, a value is not finite,
            an id is out of range or the arrays do not fit together.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> from ctrkit.models import EulerNet
        >>> rows = SimpleNamespace(ids=np.array([[0], [1]]), labels=np.array([0, 1]), values=None)
        >>> evaluate(EulerNet([2], embedding_dim=4, orders=[2]), rows).rows
        2
    """
    check_examples(examples, "rows to evaluate on")
    return compute_metrics(
        np.asarray(examples.labels), probabilities(_score(model, examples, precision))
    )


def _rechunked(blocks: Iterable[Rows], size: int) -> Iterator[Rows]:
    """Yield chunks of exactly `size` rows (fewer in the last), whatever the blocks."""
    rest: Rows | None = None
    for block in blocks:
        rows = Rows(block.ids, values=block.values)
        if rest is not None:
            rows = concatenate([rest, rows])
        full = len(rows) - len(rows) % size
        for start in range(0, full, size):
            yield _copied(rows[start : start + size])
        rest = _copied(rows[full:]) if full < len(rows) else None
    if rest is not None:
        yield rest


def _copied(rows: Rows) -> Rows:
    # A memory-mapped slice is read-only, which torch.from_numpy warns of.
    return rows.each(np.array)
