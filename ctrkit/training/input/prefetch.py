"""Reading ahead: the next item is made by a thread while this one is used."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """Yield the items (None is none), each but the first made while the one before it is used."""
    remaining = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ctrkit-ahead") as reader:
        ahead = reader.submit(next, remaining, None)
        while (item := ahead.result()) is not None:
            ahead = reader.submit(next, remaining, None)
            yield item
