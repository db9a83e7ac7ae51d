"""Keep freed memory for the next training step instead of returning it to the system."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ctrkit.machine.space import address_limit

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Names of glibc's settings in <malloc.h>."""

KEPT_BYTES = 256 << 20
LEFT_BYTES = 32 << 20
"""Where glibc's own adjustment of the two ends up in a process that uses large arrays."""


_lock = threading.Lock()
_num_blocks = 0
"""Blocks being run: the settings are the process's, so that only the last block resets them."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep up to `KEPT_BYTES` of freed memory during a block, then return it.

    A step frees and asks for the same few hundred megabytes again and again, and every page that
    was given back in between is cleared by the system before its next use: a tenth to a quarter of
    the time of a small model's step. Does nothing if the C library is not glibc.

    Where the process has a limit on its address space (``ulimit -v``), all threads share one arena
    from then on. Each has one of its own otherwise, which reserves up to 128 MiB of addresses; and
    once the limit lets no arena grow, each request of a step is mapped, cleared and unmapped again,
    several times as slowly as it is computed.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    _count(library, 1)
    try:
        yield
    finally:
        _count(library, -1)


def _count(library: ctypes.CDLL, change: int) -> None:
    """Change the number of blocks; the first one raises the thresholds, the last resets them."""
    global _num_blocks
    with _lock:
        before, _num_blocks = _num_blocks, _num_blocks + change
        if before and _num_blocks:
            return
        if _num_blocks and address_limit() is not None:
            library.mallopt(ARENA_MAX, 1)
        kept = KEPT_BYTES if _num_blocks else LEFT_BYTES
        library.mallopt(TRIM_THRESHOLD, kept)
        library.mallopt(MMAP_THRESHOLD, kept)
        if not _num_blocks:
            library.malloc_trim(0)
