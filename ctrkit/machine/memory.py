"""How much memory the machine has, how much is free, and which mapped files take some of it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctrkit.machine.space import address_limit

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
MEMORY_INFO = Path("/proc/meminfo")
OWN_SIZES = Path("/proc/self/statm")
KIBIBYTE = 1024


def memory_bytes() -> int | None:
    """Return the memory this process may use, None if the system does not report it.

    It is the machine's, or the limit of a container or job scheduler; not what is free at the
    moment, so that a run decides the same way whatever else is running.
    """
    if not hasattr(os, "sysconf"):  # Windows
        return None
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [limit] if (limit := address_limit()) is not None else []
    return min([installed, *limits, *(group.limit for group in _limited_groups())])


def free_memory() -> int | None:
    """Return the memory that is free at the moment, None if the system does not report it.

    Cached files count as free: the system drops them when a program needs memory.
    """
    if not MEMORY_INFO.exists():  # Linux only
        return None
    available = KIBIBYTE * _figures(MEMORY_INFO)["MemAvailable:"]
    limit = address_limit()
    addresses = [] if limit is None else [limit - _addresses_used()]
    left = (group.limit - group.used() for group in _limited_groups())
    return max(0, min([available, *addresses, *left]))


def _addresses_used() -> int:
    """Return how much this process addresses, mapped files included."""
    return int(OWN_SIZES.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


class _LimitedGroup(NamedTuple):
    """A control group with a limit: its folder, and what its files are called."""

    folder: Path
    limit: int
    use_file: str
    files_kept: tuple[str, str]

    def used(self) -> int:
        """Return the bytes in use, without cached files."""
        kept = _figures(self.folder / "memory.stat")
        return int((self.folder / self.use_file).read_text()) - sum(
            kept.get(name, 0) for name in self.files_kept
        )


def _figures(path: Path) -> dict[str, int]:
    """Return the numbers of a file of lines that begin with a name and a number."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0]: int(words[1]) for words in lines}


def _limited_groups() -> Iterator[_LimitedGroup]:
    """Yield the process's control group and those around it that have limits, of either version."""
    if not OWN_CGROUPS.exists():
        return
    for line in OWN_CGROUPS.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name, use_file = CGROUPS, "memory.max", "memory.current"
            files_kept = ("inactive_file", "active_file")
        elif "memory" in controllers.split(","):
            top, name = CGROUPS / "memory", "memory.limit_in_bytes"
            use_file = "memory.usage_in_bytes"
            files_kept = ("total_inactive_file", "total_active_file")
        else:
            continue
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            # In a container the path may be the host's; its own limit then lies at the top.
            if folder.is_relative_to(top) and (folder / name).exists():
                limit = (folder / name).read_text().strip()
                if limit != "max":
                    yield _LimitedGroup(folder, int(limit), use_file, files_kept)


def read_stretches(array: NDArray[Any], stretches: Sequence[slice]) -> NDArray[Any]:
    """Return a copy of stretches of rows, one after the other; little else of a file is read."""
    num_rows = sum(stretch.stop - stretch.start for stretch in stretches)
    copy = np.empty((num_rows, *array.shape[1:]), array.dtype)
    stop = 0
    for stretch in stretches:
        start, stop = stop, stop + stretch.stop - stretch.start
        _prefetch_pages(array[stretch])
        copy[start:stop] = array[stretch]
        release_pages(array)  # or what was read would be in memory twice
    return copy


def release_pages(array: NDArray[Any]) -> None:
    """Release the pages of a memory-mapped array; do nothing for other arrays.

    The pages stay in the system's cache while there is room and are mapped again when read, but no
    longer count as this process's memory.
    """
    mapping = _mapping_of(array)
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)


def _prefetch_pages(array: NDArray[Any]) -> None:
    """Ask the system to read a memory-mapped array at once.

    Otherwise it guesses what comes next, and reads up to several MiB around each page.
    """
    mapping = _mapping_of(array)
    if mapping is not None:
        start = array.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
        into_page = start % mmap.PAGESIZE
        mapping.madvise(mmap.MADV_WILLNEED, start - into_page, array.nbytes + into_page)


def _mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the file mapping of an array, if there is one that takes advice."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    mapping, can_change = array.base, array.flags.writeable
    # A copy-on-write mapping would lose its changes with its pages; Windows takes no advice.
    takes_advice = hasattr(mmap, "MADV_DONTNEED") and not can_change
    return mapping if takes_advice and isinstance(mapping, mmap.mmap) else None
