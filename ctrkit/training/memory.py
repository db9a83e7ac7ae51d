"""The machine's memory: how much there is, and mapped pages that are let go."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def memory_bytes() -> int | None:
    """Return the memory this process may use, None where the system does not tell.

    It is the machine's, or less where a container or a job scheduler has set a limit; not what is
    free at the moment, so that the same run decides the same way whatever else is running.
    """
    if not hasattr(os, "sysconf"):  # Windows
        return None
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *_cgroup_limits()])


def _cgroup_limits() -> Iterator[int]:
    """Yield the limits of the process's control group and of those around it, of either version."""
    if not OWN_CGROUPS.exists():
        return
    for line in OWN_CGROUPS.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            # In a container the path may be the host's; its own limit then lies at the top.
            if folder.is_relative_to(top) and (folder / name).exists():
                limit = (folder / name).read_text().strip()
                if limit != "max":
                    yield int(limit)


def let_go(array: NDArray[Any]) -> None:
    """Unmap what was read of a memory-mapped array; of any other, nothing.

    The pages stay in the system's cache for as long as it has room, and are mapped again when
    they are read again, but no longer count as this process's memory.
    """
    while isinstance(array.base, np.ndarray):
        array = array.base
    mapping, can_change = array.base, array.flags.writeable
    # A copy-on-write mapping would lose its changes; and Windows has no such call.
    if isinstance(mapping, mmap.mmap) and not can_change and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
