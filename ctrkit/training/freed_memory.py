"""Freed memory, kept for the next step instead of being given back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's settings in <malloc.h>."""

KEPT_BYTES = 256 << 20
LEFT_BYTES = 32 << 20
"""Where glibc's own adjustment of the two ends up in a process that uses large arrays."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep up to `KEPT_BYTES` of freed memory for a block, then give it back.

    A step frees and asks for the same few hundred megabytes again and again, and every page that
    was given back in between is cleared by the system before its next use: a tenth to a quarter of
    the time of a small model's step.
    Does nothing where the C library is not glibc.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(TRIM_THRESHOLD, KEPT_BYTES)
    library.mallopt(MMAP_THRESHOLD, KEPT_BYTES)
    try:
        yield
    finally:
        library.mallopt(TRIM_THRESHOLD, LEFT_BYTES)
        library.mallopt(MMAP_THRESHOLD, LEFT_BYTES)
        library.malloc_trim(0)
