"""Freed memory is kept for a run and given back after it."""

import platform
import sys
from pathlib import Path

import pytest
import torch

from ctrkit.machine.allocator import KEPT_BYTES, freed_memory_kept

STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")
def test_freed_memory_is_given_back_at_the_end():
    with freed_memory_kept():
        pass  # gives back what earlier tests have freed
    before = resident_bytes()
    with freed_memory_kept():
        tensors = [torch.ones(KEPT_BYTES // 8 // 4) for _ in range(4)]
        held = resident_bytes()
        del tensors
    assert held - before > 0.9 * KEPT_BYTES / 2
    assert resident_bytes() - before < 0.1 * KEPT_BYTES


@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")
def test_a_block_within_another_does_not_end_it():
    with freed_memory_kept():
        before = resident_bytes()
        with freed_memory_kept():
            pass
        tensors = [torch.ones(KEPT_BYTES // 8 // 4) for _ in range(4)]
        del tensors
        assert resident_bytes() - before > 0.9 * KEPT_BYTES / 2


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other rules")
def test_freed_memory_is_used_again():
    resource = pytest.importorskip("resource")

    def num_faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            torch.ones(2 << 20)
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

    pages = (8 << 20) // resource.getpagesize() if hasattr(resource, "getpagesize") else 2048
    with freed_memory_kept():
        num_faults()
        assert num_faults() < pages  # of ten times as many


def test_does_nothing_without_glibc(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with freed_memory_kept():
        assert torch.ones(3).sum() == 3


def test_an_error_passes_through():
    with pytest.raises(ZeroDivisionError), freed_memory_kept():
        raise ZeroDivisionError
