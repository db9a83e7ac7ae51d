"""Batches as index slices of arrays, in an order that the epoch's seed alone decides."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ctrkit.models import Batch


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


def to_batch(examples: Examples, rows: NDArray[np.int64] | slice, device: torch.device) -> Batch:
    """Return the given rows as tensors on `device`."""
    values = examples.values
    return Batch(
        ids=_to_tensor(examples.ids[rows], device),
        labels=_to_tensor(examples.labels[rows].astype(np.float32), device),
        values=None if values is None else _to_tensor(values[rows], device),
    )


def shuffled_batches(
    examples: Examples, *, batch_size: int, seed: int, epoch: int, device: torch.device
) -> Iterator[Batch]:
    """Yield every row once, in the order of (seed, epoch), the next batch read meanwhile.

    Raises:
        ValueError: if there are no rows.
    """
    num_rows = len(examples.labels)
    if num_rows == 0:
        raise ValueError("training needs at least one row, got none")
    order = np.random.default_rng((seed, epoch)).permutation(num_rows)
    slices = [order[start : start + batch_size] for start in range(0, num_rows, batch_size)]
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ctrkit-batches") as reader:
        ahead = reader.submit(to_batch, examples, slices[0], device)
        for rows in slices[1:]:
            batch = ahead.result()
            ahead = reader.submit(to_batch, examples, rows, device)
            yield batch
        yield ahead.result()


def _to_tensor(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    # A copy: memory-mapped slices are read-only, which torch.from_numpy warns of.
    tensor = torch.from_numpy(np.array(array, copy=True, order="C"))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
