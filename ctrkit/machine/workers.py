"""Threads that work on blocks: several at a time, results in order, never far ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

MAX_WORKERS = 8
"""Default number of threads at most; each needs some 200 MiB."""


def default_workers() -> int:
    """Return how many threads to use unless told otherwise: one per processor, at most 8."""
    if hasattr(os, "sched_getaffinity"):  # those of this process, maybe fewer than the machine's
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return min(os.cpu_count() or 1, MAX_WORKERS)


class Workers(ThreadPoolExecutor):
    """A pool of threads that hands results back in the order of the tasks.

    Args:
        number: how many threads.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, "ctrkit-worker")
        self.number = number

    def in_order(self, tasks: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
        """Yield the results of tasks in their order, with one task more than threads under way.

        An error, be it of a task or of the iterator over them, comes after the results before it,
        so that it is always the first in the file that is reported. Tasks not yet begun are
        dropped when the generator is closed.
        """
        waiting: deque[Future[T]] = deque()
        try:
            for future in self._submitted(tasks):
                waiting.append(future)
                if len(waiting) > self.number:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _submitted(self, tasks: Iterable[Callable[[], T]]) -> Iterator[Future[T]]:
        """Yield the futures of tasks; an error of the iterator is a future that failed."""
        try:
            for task in tasks:
                yield self.submit(task)
        except Exception as error:
            failed: Future[T] = Future()
            failed.set_exception(error)
            yield failed
