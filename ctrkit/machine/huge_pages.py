"""Huge pages for large tables, whose rows are read in no order."""

from __future__ import annotations

import ctypes
import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LEAST_BYTES = 64 << 20
"""Smaller tensors gain nothing: the addresses of their pages stay in the processor, or nearly."""

PAGE_BYTES = 2 << 20


def on_huge_pages(tensor: Tensor) -> Tensor:
    """Ask the system to put a new tensor on pages of 2 MiB, and return it, not yet written to.

    Nearly every row read from a large table lies on another page, and the address of each 4 KiB
    page must be looked up in memory. Scoring and lazy training steps of DAGFM with 2 to 5 million
    table rows take 4 to 10 % less time (docs/development/performance.md). The system may refuse.
    Small tensors, other devices and other systems than Linux are left alone.
    """
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    storage = tensor.untyped_storage()
    if advice is None or tensor.device.type != "cpu" or storage.nbytes() < LEAST_BYTES:
        return tensor
    # Whole pages only: the memory around the tensor is not ours.
    first = -(-storage.data_ptr() // PAGE_BYTES) * PAGE_BYTES
    end = (storage.data_ptr() + storage.nbytes()) // PAGE_BYTES * PAGE_BYTES
    ctypes.CDLL(None).madvise(
        ctypes.c_void_p(first), ctypes.c_size_t(end - first), ctypes.c_int(advice)
    )
    return tensor
