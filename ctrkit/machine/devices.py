"""Which device to use, float32 products at their full rate, and threads.

PyTorch is imported where it is used: preparing data asks the machine too, without PyTorch.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CHUNK_ROWS = {"cpu": 512, "cuda": 65536}
"""Rows that pass a model at a time, by device: on a processor, what they need fits its cache."""

LARGEST_MATMUL_ERROR = 1e-5
"""Relative error up to which a faster float32 matrix product counts as exact."""


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``"auto"`` is CUDA if there is one, else the CPU.

    Raises:
        ValueError: if the name is no device, or a CUDA device is asked for and missing.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    refusal = f"device must be auto, cpu, cuda or cuda:N, got {name!r}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(refusal) from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(refusal)  # PyTorch knows some more
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is not there: {torch.cuda.device_count()} CUDA devices; use cpu"
        )
    return device


def chunk_rows(device: torch.device) -> int:
    """Return how many rows pass a model at a time on a device."""
    return CHUNK_ROWS.get(device.type, CHUNK_ROWS["cuda"])


@functools.cache
def fastest_exact_matmul() -> str:
    """Return the setting of float32 products on this CPU that is fastest and still float32.

    ``"medium"`` allows bf16, but most CPUs without bf16 matrix units then only take another,
    faster float32 kernel. Whether the products are still exact is measured here, once.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 624, generator=generator) for _ in range(2))
    exact = left.double() @ right.double().t()
    previous = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        error = ((left @ right.t()).double() - exact).norm() / exact.norm()
    finally:
        torch.set_float32_matmul_precision(previous)
    return "medium" if error < LARGEST_MATMUL_ERROR else "highest"


@contextmanager
def full_rate(device: torch.device) -> Iterator[None]:
    """Run a block with fast float32 products (on the CPU) and denormals flushed to zero.

    Numbers below 1e-38, which L2 makes of weights that no row uses, cost a hundred times as much
    as others on x86. Both settings are process-wide and are restored afterwards.
    """
    import torch

    previous = torch.get_float32_matmul_precision()
    # PyTorch sets this but does not tell it.
    was_flushing = float(torch.tensor(1e-40) * 1.0) == 0.0
    if device.type == "cpu":
        torch.set_float32_matmul_precision(fastest_exact_matmul())
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(previous)
        torch.set_flush_denormal(was_flushing)


@contextmanager
def single_threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of threads that each run PyTorch single-threaded, denormals flushed to zero.

    With its own threads, PyTorch divides every operation among them and waits for the last: small
    operations gain little, and if another program uses a processor, most of the time is waiting.
    Threads with their own pieces of work never wait.
    """
    import torch

    # The number is a thread's own, but threads that come later begin with the last that was set.
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(number, "ctrkit", _work_alone) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def _work_alone() -> None:
    import torch

    # A thread's first call of this sets its number to the last that any thread has set, whatever
    # the thread itself has set before. So it is called before the number is set.
    torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
