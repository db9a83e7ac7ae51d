"""Batches: rows with a label, their ids checked, as tensors on the device."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ctrkit.arrays import ID_TYPES, check_finite, check_labels, check_row_arrays
from ctrkit.machine import release_pages
from ctrkit.models import Batch, CTRModel
from ctrkit.rows import Rows
from ctrkit.training.input.prefetch import read_ahead
from ctrkit.training.input.shuffling import Order


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


def check_examples(rows: Examples, what: str) -> None:
    """Check, before any work, that rows with labels are what a model can be trained on.

    Labels and values are read once, in blocks; ids are compared with the model's when they are
    used.

    Args:
        rows: the rows.
        what: their name, for messages: ``"training rows"``.

    Raises:
        TypeError: if an array is of a wrong type.
        ValueError: if the arrays do not fit together, a label is neither 0 nor 1 or a value is not
            finite.
    """
    of = f" of the {what}"
    check_row_arrays(of, rows.ids, rows.labels, rows.values)
    check_labels(f"labels{of}", rows.labels)
    release_pages(rows.labels)
    _check_values(rows, of)


def check_inputs(rows: Examples) -> None:
    """Check that rows, with or without labels, are what a model can score.

    Raises:
        TypeError: if an array is of a wrong type.
        ValueError: if ids and values do not fit together, or a value is not finite.
    """
    check_row_arrays("", rows.ids, None, rows.values)
    _check_values(rows, "")


def _check_values(rows: Examples, of: str) -> None:
    if rows.values is not None:
        check_finite(f"values{of}", rows.values)
        release_pages(rows.values)


def id_limits(model: CTRModel) -> NDArray[np.int64]:
    """Return the number of ids that each id column ``(S,)`` of a model can hold."""
    shapes = model.shapes
    return np.repeat([s.cardinality for s in shapes], [s.num_slots for s in shapes])


def check_ids(ids: NDArray[Any], limits: NDArray[np.int64]) -> None:
    """Check that every id is one of its field's: all fields lie in one table.

    Args:
        ids: ``(N, S)``.
        limits: the number of ids of each column, see `id_limits`.

    Raises:
        TypeError: if ids are no whole numbers.
        ValueError: if an id is out of range, naming the column.
    """
    if ids.dtype not in ID_TYPES:
        raise TypeError(f"ids must be int32 or int64, got {ids.dtype}")
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


def shuffled_batches(
    order: Order,
    *,
    limits: NDArray[np.int64],
    epoch: int,
    device: torch.device,
    first: int = 0,
) -> Generator[Batch, None, None]:
    """Yield the batches of an epoch as tensors on `device`, the next one read meanwhile.

    Args:
        order: which rows a batch has.
        limits: see `check_ids`.
        epoch: which epoch.
        device: where to.
        first: number of the first batch, counted from 0.

    Raises:
        ValueError: if an id is out of range.
    """
    return read_ahead(_to_batch(rows, limits, device) for rows in order.batches(epoch, first=first))


def _to_batch(rows: Rows, limits: NDArray[np.int64], device: torch.device) -> Batch:
    check_ids(rows.ids, limits)
    assert rows.labels is not None, "training rows have labels"
    return Batch(
        ids=_to_tensor(rows.ids, device),
        labels=_to_tensor(rows.labels.astype(np.float32), device),
        values=None if rows.values is None else _to_tensor(rows.values, device),
        targets=None if rows.targets is None else _to_tensor(rows.targets, device),
    )


def _to_tensor(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
