"""What this machine can do at most: matrix products and memory."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.harness import add_common, begin, save
from ctrkit.machine.devices import full_rate

CPU = torch.device("cpu")
SIZE = 2048
MANY = 32_000_000


def add_to(parser: argparse.ArgumentParser) -> None:
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    save("roofline", [measure(threads) for threads in sorted({1, arguments.threads})])


def measure(threads: int = 1) -> dict[str, Any]:
    """Return the best rates of several trials, with `threads` threads.

    ``gemm`` is of PyTorch's default float32 products, ``full_rate_gemm`` with the setting that
    ctrkit chooses, in FLOP/s; ``copy`` in bytes/s, read and written.
    """
    previous = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        left, right = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
        source = torch.randn(MANY)
        target = torch.empty_like(source)
        operations = 2 * SIZE**3
        rates = {
            "threads": threads,
            "gemm": operations / _shortest(lambda: left @ right),
            "copy": 2 * 4 * MANY / _shortest(lambda: target.copy_(source)),
        }
        with full_rate(CPU):
            rates["full_rate_gemm"] = operations / _shortest(lambda: left @ right)
    finally:
        torch.set_num_threads(previous)
    print(
        f"roofline, {threads} threads: {rates['full_rate_gemm'] / 1e9:.0f} GFLOP/s "
        f"(PyTorch's default {rates['gemm'] / 1e9:.0f}), copying {rates['copy'] / 1e9:.1f} GB/s",
        flush=True,
    )
    return rates


def _shortest(work: Callable[[], Any], trials: int = 7) -> float:
    """Return the fewest wall-clock seconds of several calls."""
    seconds = []
    for _ in range(trials + 1):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
