"""Refuse jobs that would not fit in memory or on disk, before they begin."""

from __future__ import annotations

import shutil
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


class SpaceError(OSError):
    """A job needs more memory or disk than is free."""


def address_limit() -> int | None:
    """Return how many bytes this process may address (``ulimit -v``), None without a limit."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def check_memory(what: str, needed: int, free: int | None, *, advice: str) -> None:
    """Check that work fits into memory.

    Args:
        what: the work, for the message.
        needed: bytes that it will hold and the system cannot take back.
        free: bytes that are free; None if unknown, and nothing is refused.
        advice: what makes it smaller.

    Raises:
        SpaceError: if it needs more than is free.
    """
    if free is not None and needed > free:
        raise SpaceError(
            _refusal(f"{what} needs about {gigabytes(needed)} of memory", free, advice)
        )


def check_disk(what: str, needed: int, place: Path, *, replaced: int = 0, advice: str = "") -> None:
    """Check that files fit on their disk.

    Args:
        what: the work, for the message.
        needed: bytes that it will write.
        place: file or folder that they will lie in; it need not exist.
        replaced: bytes of older files there, which are removed first.
        advice: what makes it smaller, if anything does.

    Raises:
        SpaceError: if it needs more than is free.
    """
    free = free_disk(place) + replaced
    if needed > free:
        needs = f"{what} needs about {gigabytes(needed)} on the disk of {place}"
        raise SpaceError(_refusal(needs, free, f"{advice or 'make room'}, or name another folder"))


def free_disk(place: Path) -> int:
    """Return the bytes that may be written at a place, which need not exist yet."""
    place = place.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def gigabytes(number: int) -> str:
    """Return a number of bytes as text in GB.

    Example:
        >>> gigabytes(3_140_000_000), gigabytes(20_000_000)
        ('3.1 GB', '0.02 GB')
    """
    size = number / 1e9
    return f"{size:,.1f} GB" if size >= 0.1 else f"{size:.2g} GB"


def _refusal(needs: str, free: int, advice: str) -> str:
    return (
        f"{needs}, {gigabytes(free)} are free; {advice}; or skip this check with check_space "
        "false (--no-check-space)"
    )
