"""Threads that work on blocks: several at a time, results in order, never far ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

MAX_WORKERS = 8
"""Default number of threads at most; each needs some 200 MiB."""


def default_workers() -> int:
    """Return the default number of threads: one per processor, at most 8."""
    return min(_num_processors(), MAX_WORKERS)


def _num_processors() -> int:
    # The processors of this process, which may be fewer than the machine's.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    pool: ThreadPoolExecutor, tasks: Iterable[tuple[Callable[[], T], S]], limit: int
) -> Generator[tuple[T, S], None, None]:
    """Yield the results of tasks in their order, with at most `limit` of them under way.

    An error of a task or of their iterator comes after the results before it, so that the first
    error in the file is the one reported. Closing the generator drops tasks that have not begun.
    """
    waiting: deque[Future[tuple[T, S]]] = deque()
    try:
        for future in _submitted(pool, tasks):
            waiting.append(future)
            if len(waiting) >= limit:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _submitted(
    pool: ThreadPoolExecutor, tasks: Iterable[tuple[Callable[[], T], S]]
) -> Iterator[Future[tuple[T, S]]]:
    """Yield the futures of tasks; an error of the iterator is a future that failed."""
    try:
        for task, tag in tasks:
            yield pool.submit(_run, task, tag)
    except Exception as error:
        failed: Future[tuple[T, S]] = Future()
        failed.set_exception(error)
        yield failed


def _run(task: Callable[[], T], tag: S) -> tuple[T, S]:
    return task(), tag
