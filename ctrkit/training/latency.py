"""How long a model takes for a request of so many rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ctrkit.models import CTRModel
from ctrkit.training.batches import Examples
from ctrkit.training.compute import full_rate
from ctrkit.training.scoring import eval_mode

T = TypeVar("T", bound=np.generic)

BATCH_SIZES = (1, 256, 4096)
"""A single request, a page of candidates, and bulk scoring."""

SECONDS = 0.2
"""How long each batch size is measured, at least."""


def latency(
    models: Sequence[CTRModel], rows: Examples, batch_sizes: Sequence[int] = BATCH_SIZES
) -> dict[int, float]:
    """Return the median seconds per row for requests of the given sizes, ids to logits.

    It is the model's own time, as a server has that keeps it in eval mode: raw rows are ids
    already. Several models are an ensemble, whose members answer one after the other. The rows of
    a request repeat where there are fewer rows. On CUDA the way to the device and back is counted.

    Raises:
        ValueError: if there are no rows.
    """
    if len(rows.labels) == 0:
        raise ValueError("latency needs at least one row, got none")
    return {size: _median_seconds(models, rows, size) / size for size in batch_sizes}


def _median_seconds(models: Sequence[CTRModel], rows: Examples, size: int) -> float:
    ids = torch.from_numpy(_repeated(rows.ids, size))
    values = None if rows.values is None else torch.from_numpy(_repeated(rows.values, size))
    devices = [next(model.parameters()).device for model in models]
    times: list[float] = []
    with ExitStack() as stack:
        for model, device in zip(models, devices, strict=True):
            stack.enter_context(eval_mode(model))
            stack.enter_context(full_rate(device))
        stack.enter_context(torch.inference_mode())
        while sum(times) < SECONDS or len(times) < 3:
            began = time.perf_counter()
            for model, device in zip(models, devices, strict=True):
                model(ids.to(device), None if values is None else values.to(device)).cpu()
            times.append(time.perf_counter() - began)
    return statistics.median(times[1:])  # the first one warms up


def _repeated(array: NDArray[T], size: int) -> NDArray[T]:
    return np.ascontiguousarray(np.resize(array, (size, *array.shape[1:])))
