"""Check that the program itself fits into the memory that the shell allows (``ulimit -v``)."""

from __future__ import annotations

from ctrkit.machine import address_limit

PROGRAM_BYTES = 950_000_000
"""Addresses that Python, pandas and PyTorch take on Linux before any work: 0.86 GB for the program
and some for its threads. With less, PyTorch ends the process while it is read from the disk."""


def require_addresses() -> None:
    """Check that the program itself fits.

    Raises:
        MemoryError: if it does not.
    """
    limit = address_limit()
    if limit is not None and limit < PROGRAM_BYTES:
        raise MemoryError("the program itself does not fit")
