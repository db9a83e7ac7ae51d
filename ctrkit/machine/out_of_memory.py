"""Tell out-of-memory errors from other errors of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "could not create a primitive",
    "could not create a memory object",
    "can't start new thread",
)
"""How PyTorch, its libraries and Python say that the system has no memory left for them."""


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise ``MemoryError`` for PyTorch's ``RuntimeError`` about memory.

    Raises:
        MemoryError: if the block ran out of memory; says what it asked for.
    """
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        if not any(sign in reason for sign in SIGNS):
            raise
        raise MemoryError(reason) from error
