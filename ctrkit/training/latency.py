"""How long models take for a request of so many rows, measured side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ctrkit.machine import full_rate
from ctrkit.models import CTRModel
from ctrkit.training.input import Examples, check_inputs
from ctrkit.training.scoring import eval_mode

T = TypeVar("T", bound=np.generic)

BATCH_SIZES = (1, 256, 4096)
"""A single request, a page of candidates, and bulk scoring."""

SECONDS = 0.5
"""How long each competitor is measured with each batch size, warm-up and `FEWEST` apart."""

WARM_UPS = 2
FEWEST = 3
"""Requests that are not counted, and fewest that are."""


class Latency(NamedTuple):
    """Seconds per row: the median of many requests, and the quartiles around it."""

    median: float
    low: float
    high: float


def latencies(
    competitors: Sequence[Sequence[CTRModel]],
    rows: Examples,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> list[dict[int, Latency]]:
    """Return, for each competitor, how long requests of the given sizes take, ids to logits.

    It is the model's own time, as a server has that keeps it in eval mode: raw rows are ids
    already. The competitors answer in turns, A B C A B C ..., so that another program on the
    machine takes from all of them alike. On CUDA the way to the device and back is counted.

    Args:
        competitors: each a model alone, or an ensemble whose members answer one after the other.
        rows: what a request consists of; repeated if there are fewer.
        batch_sizes: rows of a request.

    Raises:
        ValueError: if there are no rows.
    """
    check_inputs(rows)
    if len(rows.ids) == 0:
        raise ValueError("latency needs at least one row, got none")
    found: list[dict[int, Latency]] = [{} for _ in competitors]
    with ExitStack() as stack:
        for model in (model for models in competitors for model in models):
            stack.enter_context(eval_mode(model))
            stack.enter_context(full_rate(next(model.parameters()).device))
        stack.enter_context(torch.inference_mode())
        for size in batch_sizes:
            requests = [_request(models, rows, size) for models in competitors]
            for of_size, seconds in zip(found, _in_turns(requests), strict=True):
                low, median, high = (float(q) for q in np.quantile(seconds, [0.25, 0.5, 0.75]))
                of_size[size] = Latency(median / size, low / size, high / size)
    return found


def _request(models: Sequence[CTRModel], rows: Examples, size: int) -> Callable[[], None]:
    """Return what has models answer a request of so many rows."""
    ids = torch.from_numpy(_repeated(rows.ids, size))
    values = None if rows.values is None else torch.from_numpy(_repeated(rows.values, size))
    devices = [next(model.parameters()).device for model in models]

    def request() -> None:
        for model, device in zip(models, devices, strict=True):
            model(ids.to(device), None if values is None else values.to(device)).cpu()

    return request


def _in_turns(requests: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Return the seconds of each request, time and again."""
    times: list[list[float]] = [[] for _ in requests]
    for _ in range(WARM_UPS):
        for request in requests:
            request()
    end = time.perf_counter() + SECONDS * len(requests)
    while len(times[0]) < FEWEST or time.perf_counter() < end:
        for request, seconds in zip(requests, times, strict=True):
            began = time.perf_counter()
            request()
            seconds.append(time.perf_counter() - began)
    return times


def _repeated(array: NDArray[T], size: int) -> NDArray[T]:
    return np.ascontiguousarray(np.resize(array, (size, *array.shape[1:])))
