"""The choice of crosses: planted ones are found, chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from ctrkit.data.preparing.screening import MOST_CROSSES, screen

NAMES = ["a", "b", "c", "d", "e"]


def log(seed, planted=(), num_rows=12_000, categories=8):
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, categories, (num_rows, len(NAMES)))
    logits = sum(0.5 * draw.standard_normal(categories)[column] for column in codes.T) - 1
    for members in planted:
        effect = 1.2 * draw.standard_normal((categories,) * len(members))
        logits = logits + effect[tuple(codes[:, member] for member in members)]
    labels = (draw.random(num_rows) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    return codes, labels


@pytest.mark.parametrize("seed", range(3))
def test_planted_pairs_are_found_and_no_others(seed):
    found = screen(*log(seed, [(0, 3), (1, 4)]), NAMES)
    assert {one.name for one in found} == {"a+d", "b+e"}
    assert all(one.gain > 0 and one.errors > 3 for one in found)


@pytest.mark.parametrize("seed", range(3))
def test_single_fields_alone_need_no_cross(seed):
    assert screen(*log(seed), NAMES) == []


def test_a_triple_is_found():
    found = screen(*log(5, [(0, 2, 4)], num_rows=30_000, categories=5), NAMES)
    assert "a+c+e" in {one.name for one in found}


def test_clicks_without_any_meaning_need_no_cross():
    draw = np.random.default_rng(6)
    codes = draw.integers(0, 30, (8000, len(NAMES)))
    assert screen(codes, draw.integers(0, 2, 8000), NAMES) == []


def test_a_combination_that_is_nearly_a_row_number_is_not_tried():
    draw = np.random.default_rng(7)
    codes = draw.integers(0, 3000, (4000, 2))
    assert screen(codes, draw.integers(0, 2, 4000), ["a", "b"]) == []


def test_the_choice_is_the_same_every_time():
    rows = log(8, [(0, 1)])
    assert screen(*rows, NAMES) == screen(*rows, NAMES)


def test_no_more_than_a_few_are_chosen():
    pairs = [(i, j) for i in range(5) for j in range(i)]
    assert len(screen(*log(9, pairs, num_rows=20_000), NAMES)) <= MOST_CROSSES


def test_rows_of_one_class_or_constant_fields_choose_nothing():
    codes = np.zeros((50, 2), dtype=np.int32)
    assert screen(codes, np.zeros(50, dtype=np.uint8), ["a", "b"]) == []
    assert screen(codes, np.arange(50) % 2, ["a", "b"]) == []
