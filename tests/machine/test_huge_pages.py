"""Large tables ask for large pages; what is in them is the same."""

import mmap
import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from ctrkit.embedding import FeatureEmbedding
from ctrkit.machine import huge_pages
from ctrkit.machine.huge_pages import PAGE_BYTES, on_huge_pages
from ctrkit.training.optimizers.lazy_optimizers import LazyAdam, RowwiseAdagrad

SMAPS = Path("/proc/self/smaps")
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
NUM_PAGES = 40


def advised(tensor: torch.Tensor) -> bool:
    """Whether the middle of a tensor lies in memory that has asked for huge pages."""
    address = tensor.data_ptr() + tensor.numel() * tensor.element_size() // 2
    inside = False
    for line in SMAPS.read_text(errors="surrogateescape").splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(found[1], 16) <= address < int(found[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return "hg" in line.split()
    raise AssertionError("the tensor is nowhere")


needs_linux = pytest.mark.skipif(
    not (SMAPS.exists() and SETTING.exists() and hasattr(mmap, "MADV_HUGEPAGE")),
    reason="needs Linux with huge pages",
)


@needs_linux
def test_a_large_tensor_asks_and_a_small_one_does_not(monkeypatch):
    monkeypatch.setattr(huge_pages, "LEAST_BYTES", NUM_PAGES * PAGE_BYTES)
    large = torch.empty(NUM_PAGES * PAGE_BYTES // 4)
    small = torch.empty(NUM_PAGES * PAGE_BYTES // 4 - 1)
    for tensor in (large, small):
        on_huge_pages(tensor)
        tensor.fill_(1.0)
    assert advised(large)
    assert not advised(small)
    assert large.sum() == large.numel()


@needs_linux
def test_a_table_asks(monkeypatch):
    monkeypatch.setattr(huge_pages, "LEAST_BYTES", NUM_PAGES * PAGE_BYTES)
    embedding = FeatureEmbedding([NUM_PAGES * PAGE_BYTES // 64], 16)
    assert advised(embedding.tables[0])


@needs_linux
@pytest.mark.parametrize(("kind", "width"), [(LazyAdam, 4), (RowwiseAdagrad, 1)])
def test_a_lazy_optimizer_asks_for_its_state(monkeypatch, kind, width):
    monkeypatch.setattr(huge_pages, "LEAST_BYTES", NUM_PAGES * PAGE_BYTES)
    table = torch.nn.Parameter(torch.ones(NUM_PAGES * PAGE_BYTES // 4 // width, width))
    optimizer = kind([table])
    functional.embedding(torch.tensor([3]), table, sparse=True).sum().backward()
    optimizer.step()
    state = optimizer.state[table].values()
    large = [part for part in state if part.nbytes >= huge_pages.LEAST_BYTES]
    assert large
    assert all(advised(part) for part in large)
    assert all(part[3].ne(0).all() and part.count_nonzero() == part[3].numel() for part in state)


def test_nothing_is_done_on_another_system(monkeypatch):
    monkeypatch.setattr(huge_pages, "LEAST_BYTES", 0)
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    monkeypatch.setattr(huge_pages.ctypes, "CDLL", None)
    on_huge_pages(torch.empty(4))


def test_nothing_is_done_for_another_device(monkeypatch):
    monkeypatch.setattr(huge_pages, "LEAST_BYTES", 0)
    monkeypatch.setattr(huge_pages.ctypes, "CDLL", None)
    on_huge_pages(torch.empty(4, device="meta"))
