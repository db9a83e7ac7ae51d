"""The memory that the shell allows this process (``ulimit -v``)."""

from __future__ import annotations

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

PROGRAM_BYTES = 950_000_000
"""Addresses that Python, pandas and PyTorch take on Linux before any work: 0.86 GB for the program
and some for its threads. With less, PyTorch ends the process while it is read from the disk."""


def address_limit() -> int | None:
    """Return the limit in bytes, None where there is none."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def require_addresses() -> None:
    """Make sure that the program itself fits.

    Raises:
        MemoryError: if it does not.
    """
    limit = address_limit()
    if limit is not None and limit < PROGRAM_BYTES:
        raise MemoryError("the program itself does not fit")
