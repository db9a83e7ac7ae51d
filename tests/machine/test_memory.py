"""How much memory there is, and files mapped into it."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ctrkit.machine import memory
from ctrkit.machine.memory import free_memory, memory_bytes, read_stretches, release_pages

MIB = 1 << 20


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Pretend that the process is in control groups with limits, given as {file: text}."""

    def pretend(own: str, limits: dict[str, str]) -> None:
        (tmp_path / "own").write_text(own)
        for name, limit in limits.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{limit}\n")
        monkeypatch.setattr(memory, "OWN_CGROUPS", tmp_path / "own")
        monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")

    return pretend


def installed() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_memory_is_that_of_the_machine_without_a_limit(cgroups):
    cgroups("0::/\n", {"memory.max": "max"})
    assert memory_bytes() == installed()


def test_memory_is_that_of_the_machine_without_control_groups(monkeypatch):
    monkeypatch.setattr(memory, "OWN_CGROUPS", Path("/nowhere"))
    assert memory_bytes() == installed()


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ("0::/job/step\n", {"job/memory.max": MIB, "job/step/memory.max": "max"}),
        ("0::/job\n", {"job/memory.max": MIB, "memory.max": 2 * MIB}),
        ("0::/path/of/the/host\n", {"memory.max": MIB}),
        ("3:cpu:/\n4:memory:/job\n0::/\n", {"memory/job/memory.limit_in_bytes": MIB}),
        ("4:hugetlb,memory:/of/the/host\n", {"memory/memory.limit_in_bytes": MIB}),
    ],
)
def test_the_smallest_limit_of_a_control_group_counts(cgroups, own, limits):
    cgroups(own, limits)
    assert memory_bytes() == MIB


def test_a_system_that_does_not_tell_is_not_guessed(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert memory_bytes() is None


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (
            "0::/job\n",
            {
                "job/memory.max": 9 * MIB,
                "job/memory.current": 7 * MIB,
                "job/memory.stat": f"anon 5\ninactive_file {MIB}\nactive_file {MIB}",
            },
        ),
        (
            "4:memory:/job\n",
            {
                "memory/job/memory.limit_in_bytes": 9 * MIB,
                "memory/job/memory.usage_in_bytes": 7 * MIB,
                "memory/job/memory.stat": f"cache 5\ntotal_inactive_file {2 * MIB}",
            },
        ),
    ],
)
def test_what_a_control_group_keeps_of_files_is_free(cgroups, tmp_path, monkeypatch, own, files):
    (tmp_path / "meminfo").write_text("MemTotal: 90000 kB\nMemAvailable: 5000 kB\nHugePages: 0\n")
    monkeypatch.setattr(memory, "MEMORY_INFO", tmp_path / "meminfo")
    cgroups("0::/\n", {})
    assert free_memory() == 5000 * 1024
    cgroups(own, files)
    assert free_memory() == 4 * MIB


def test_free_memory_is_unknown_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(memory, "MEMORY_INFO", Path("/nowhere"))
    assert free_memory() is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own figures")
def test_the_limit_of_the_shell_counts(monkeypatch):
    used = memory._addresses_used()
    monkeypatch.setattr(memory, "address_limit", lambda: used + 50 * MIB)
    assert memory_bytes() == used + 50 * MIB
    assert 0 <= free_memory() <= 50 * MIB


def test_mapped_pages_that_are_released_no_longer_count(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.arange(MIB))
    array = np.asarray(np.load(path, mmap_mode="r"))

    def resident() -> int:
        lines = iter(Path("/proc/self/smaps").read_text(errors="surrogateescape").splitlines())
        of_file = next(line for line in lines if line.endswith(str(path)))
        assert of_file
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))

    total = array.sum()
    assert resident() > 8000
    release_pages(array[5:])
    assert resident() == 0
    assert array.sum() == total


@pytest.mark.parametrize("mode", ["r", "r+", "c", None])
def test_letting_go_changes_no_number(tmp_path, mode):
    np.save(tmp_path / "array.npy", np.arange(10_000))
    array = np.load(tmp_path / "array.npy", mmap_mode=mode)
    if mode != "r":
        array[7] = -1
    before = np.array(array)
    release_pages(array)
    assert np.array_equal(array, before)


@pytest.mark.parametrize("mode", ["r", "c", None])
@pytest.mark.parametrize("first", [0, 3])
def test_stretches_are_read_in_the_order_given(tmp_path, mode, first):
    np.save(tmp_path / "array.npy", np.arange(300_000).reshape(-1, 3))
    array = np.load(tmp_path / "array.npy", mmap_mode=mode)[first:]
    stretches = [slice(50_000, 80_000), slice(0, 1), slice(99_000, len(array))]
    found = read_stretches(array, stretches)
    assert np.array_equal(found, np.concatenate([array[stretch] for stretch in stretches]))
    assert found.flags.writeable
