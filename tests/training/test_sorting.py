"""Sorting: the same by either library, in place, and whichever is chosen."""

import numpy as np
import pytest

from ctrkit.training import auc, sorting

KEYS = {
    "all bits": lambda g: g.integers(1 << 32, size=5000, dtype=np.uint32),
    "ties": lambda g: g.integers(9, size=5000, dtype=np.uint32),
    "ends": lambda g: np.array([1 << 31, 0, (1 << 32) - 1, (1 << 31) - 1], np.uint32),
    "one": lambda g: np.array([7], np.uint32),
    "none": lambda g: np.array([], np.uint32),
}


@pytest.fixture(params=[True, False], ids=["torch", "numpy"])
def chosen(request, monkeypatch):
    monkeypatch.setattr(sorting, "LEAST_LENGTH", 0)
    monkeypatch.setattr(sorting, "_torch_is_faster", lambda: request.param)
    if not request.param:
        monkeypatch.setattr(sorting, "_sort_by_torch", None)


@pytest.mark.parametrize("kind", KEYS)
def test_keys_are_sorted_in_place(chosen, kind):
    keys = KEYS[kind](np.random.default_rng(0))
    expected = sorted(keys.tolist())
    assert sorting.sort_keys(keys) is None
    assert keys.tolist() == expected


def test_auc_is_the_same_whichever_sorts(chosen):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=300).round(1).astype(np.float32)
    labels = generator.integers(0, 2, 300)
    difference = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    expected = ((difference > 0) + 0.5 * (difference == 0)).mean()
    assert auc(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_pytorch_sorts_long_keys_only(monkeypatch):
    sorted_by_torch = []
    monkeypatch.setattr(sorting, "LEAST_LENGTH", 3)
    monkeypatch.setattr(sorting, "_torch_is_faster", lambda: True)
    monkeypatch.setattr(sorting, "_sort_by_torch", lambda keys: sorted_by_torch.append(len(keys)))
    for length in (2, 3, 4):
        sorting.sort_keys(np.arange(length, dtype=np.uint32))
    assert sorted_by_torch == [3, 4]


def test_the_faster_one_is_found_by_trying_both(monkeypatch):
    tried = []

    def least_seconds(sort, numbers):
        tried.append(sort)
        return {sorting._sort_by_torch: 1.0}.get(sort, 2.0)

    monkeypatch.setattr(sorting, "_least_seconds", least_seconds)
    assert sorting._torch_is_faster.__wrapped__()
    assert tried == [sorting._sort_by_torch, np.ndarray.sort]


def test_trying_leaves_the_numbers_as_they_are():
    numbers = np.array([3, 1, 2], np.uint32)
    assert sorting._least_seconds(np.ndarray.sort, numbers) >= 0
    assert numbers.tolist() == [3, 1, 2]
