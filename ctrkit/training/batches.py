"""Batches as index slices of arrays, in an order that the epoch's seed alone decides."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ctrkit.models import Batch, CTRModel


@runtime_checkable
class Examples(Protocol):
    """Encoded rows: what `ctrkit.data.Dataset` is, and anything with the same three arrays.

    Arrays are ids ``(N, S)`` int32, labels ``(N,)`` of 0 and 1, and values ``(N, V)`` float32 or
    None. They may be memory-mapped.
    """

    @property
    def ids(self) -> NDArray[np.int32]:
        """Encoded fields."""

    @property
    def labels(self) -> NDArray[Any]:
        """Clicks."""

    @property
    def values(self) -> NDArray[np.float32] | None:
        """Numbers kept as values, or None."""


def id_limits(model: CTRModel) -> NDArray[np.int64]:
    """Return the number of ids that each id column ``(S,)`` of a model can hold."""
    shapes = model.embedding.shapes
    return np.repeat([s.cardinality for s in shapes], [s.num_slots for s in shapes])


def check_ids(ids: NDArray[Any], limits: NDArray[np.int64]) -> None:
    """Make sure that every id is one of its field's: all fields lie in one table.

    Raises:
        ValueError: if an id is out of range, naming the column.
    """
    if ids.ndim != 2 or ids.shape[1] != len(limits):
        raise ValueError(f"ids must have shape (N, {len(limits)}), got {ids.shape}")
    if len(ids) == 0:
        return
    low, high = ids.min(axis=0), ids.max(axis=0)
    is_bad = (low < 0) | (high >= limits)
    if is_bad.any():
        column = int(np.flatnonzero(is_bad)[0])
        bad = low[column] if low[column] < 0 else high[column]
        raise ValueError(
            f"id column {column} has id {bad} but the model knows {limits[column]} ids, from 0 on; "
            "encode with the schema that the model was made for"
        )


def to_batch(
    examples: Examples,
    rows: NDArray[np.int64],
    limits: NDArray[np.int64],
    device: torch.device,
    targets: NDArray[np.float32] | None = None,
) -> Batch:
    """Return the given rows as tensors on `device`; their ids are checked against `limits`."""
    values = examples.values
    ids = examples.ids[rows]
    check_ids(ids, limits)
    return Batch(
        ids=_to_tensor(ids, device),
        labels=_to_tensor(examples.labels[rows].astype(np.float32), device),
        values=None if values is None else _to_tensor(values[rows], device),
        targets=None if targets is None else _to_tensor(targets[rows], device),
    )


def shuffled_batches(
    examples: Examples,
    *,
    limits: NDArray[np.int64],
    batch_size: int,
    seed: int,
    epoch: int,
    device: torch.device,
    targets: NDArray[np.float32] | None = None,
) -> Iterator[Batch]:
    """Yield every row once, in the order of (seed, epoch), the next batch read meanwhile.

    Raises:
        ValueError: if an id is out of range.
    """
    num_rows = len(examples.labels)
    order = np.random.default_rng((seed, epoch)).permutation(num_rows)
    slices = [order[start : start + batch_size] for start in range(0, num_rows, batch_size)]
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ctrkit-batches") as reader:
        ahead = reader.submit(to_batch, examples, slices[0], limits, device, targets)
        for rows in slices[1:]:
            batch = ahead.result()
            ahead = reader.submit(to_batch, examples, rows, limits, device, targets)
            yield batch
        yield ahead.result()


def _to_tensor(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    # Rows taken by their positions are a copy already, also of a memory-mapped array.
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
