"""One side of a comparison, in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import torch


@dataclass(frozen=True)
class Work:
    """What a side does: `make(**options)` returns the work, which is then called again and again.

    `make` is a function of a module, since its name is what reaches the other process.
    """

    make: Callable[..., Callable[[], Any]]
    options: Mapping[str, Any] = field(default_factory=dict)


class Side:
    """A process that makes its work once, and does it when asked.

    Args:
        work: what it does.
        threads: threads of PyTorch in that process.
    """

    def __init__(self, work: Work, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work, threads), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.join()

    def run(self, times: int, *, clock: str = "cpu") -> float:
        """Do the work `times` times; return the seconds it took, by the "cpu" or "wall" clock."""
        seconds: dict[str, float] = self._ask(times)
        return seconds[clock]

    def peak_bytes(self) -> int:
        """Return the largest memory that the process has had resident."""
        peak: int = self._ask("peak")
        return peak

    def _ask(self, question: Any) -> Any:
        self._connection.send(question)
        return self._connection.recv()


def _serve(connection: Connection, work: Work, threads: int) -> None:
    torch.set_num_threads(threads)
    do = work.make(**work.options)
    while True:
        try:
            question = connection.recv()
        except EOFError:
            return
        if question == "peak":
            connection.send(_peak_bytes())
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(question):
            do()
        connection.send({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall})


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # here, unlike in getrusage, the parent's memory does not count
        lines = status.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
