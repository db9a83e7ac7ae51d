"""History: the formula, the smoothing, what a file holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ctrkit.data.columns import Tokens
from ctrkit.data.encoding import click_history
from ctrkit.data.encoding.click_history import (
    SMOOTHINGS,
    ClickCounts,
    ClickHistory,
    fit_click_counts,
    history_keys,
)
from ctrkit.data.encoding.crosses import cross_cells
from ctrkit.data.reading import TokenCells

KEYS = Tokens.from_texts(["ann", "bob", "eve"]).keys


def history_of(rows, clicks, num_rows=None, num_clicks=None):
    counts = ClickCounts(KEYS[: len(rows)], np.column_stack([rows, clicks]))
    return ClickHistory.fit(counts, num_rows or sum(rows), num_clicks or sum(clicks))


def test_values_are_the_smoothed_log_odds_and_the_log_of_the_count():
    history = history_of([40, 30, 4], [20, 3, 2])
    p, m = history.base_rate, history.smoothing
    assert p == pytest.approx(25.5 / 75)
    for n, c in ((40, 20), (10, 0), (4, 2)):
        rate = (c + m * p) / (n + m)
        raw = math.log(rate / (1 - rate)) - math.log(p / (1 - p)), math.log1p(n)
        expected = (np.array(raw) - history.means) / history.deviations
        np.testing.assert_allclose(history.values(np.array([[n, c]]))[0], expected, rtol=1e-5)


def test_values_are_standardised_over_training_rows():
    rows, clicks = np.array([500, 300, 200]), np.array([100, 10, 50])
    values = history_of(rows, clicks).values(np.column_stack([rows, clicks]))
    np.testing.assert_allclose(rows @ values / rows.sum(), 0, atol=1e-5)
    np.testing.assert_allclose(rows @ values**2 / rows.sum(), 1, rtol=1e-5)


def test_the_smoothing_is_the_most_likely_one_row_left_out():
    rows, clicks = np.array([9, 4, 7]), np.array([6, 0, 1])
    history = history_of(rows, clicks)

    def likelihood(m):
        total = 0.0
        for n, c in zip(rows, clicks, strict=True):
            for label in [1] * c + [0] * (n - c):
                p = (c - label + m * history.base_rate) / (n - 1 + m)
                total += math.log(p if label else 1 - p)
        return total

    assert history.smoothing == max(SMOOTHINGS, key=likelihood)


def test_categories_without_meaning_are_smoothed_more_than_those_with_it():
    draw = np.random.default_rng(0)
    keys = np.arange(1, 401, dtype=np.uint64)
    rows = np.full(400, 20)

    def smoothing(rates):
        counts = np.column_stack([rows, draw.binomial(20, rates)])
        return ClickHistory.fit(ClickCounts(keys, counts), 8000, int(counts[:, 1].sum())).smoothing

    assert smoothing(np.full(400, 0.2)) == max(SMOOTHINGS)
    assert smoothing(draw.choice([0.02, 0.6], 400)) <= 5


def test_an_unseen_category_has_the_base_rate():
    history = history_of([40, 30], [20, 3])
    unseen = history.click_counts.counts_of(KEYS[2:])
    assert unseen.tolist() == [[0, 0]]
    value = history.values(unseen)[0, 0]
    assert value == pytest.approx(-history.means[0] / history.deviations[0], rel=1e-5)


def test_missing_cells_are_a_category():
    keys = Tokens.from_texts(["", "ann"]).keys
    assert history_keys(keys)[0] != keys[0]
    assert history_keys(keys)[1] == keys[1]


def test_counts_add_up_whatever_the_pieces():
    draw = np.random.default_rng(3)
    ids = draw.integers(1, 50, 1000).astype(np.uint64)
    clicks = draw.integers(0, 2, 1000)
    counts = np.column_stack([np.ones(1000, dtype=np.int64), clicks])

    def fitted(parts):
        pieces = list(zip(np.array_split(ids, parts), np.array_split(counts, parts), strict=True))
        found, least = fit_click_counts(lambda: iter(pieces), 1000, most=50)
        assert least == 1
        return found

    one, many = fitted(1), fitted(7)
    np.testing.assert_array_equal(one.keys, many.keys)
    np.testing.assert_array_equal(one.counts, many.counts)
    assert (np.diff(one.rows) <= 0).all()
    assert one.counts_of(ids[:1])[0].tolist() == [
        (ids == ids[0]).sum(),
        clicks[ids == ids[0]].sum(),
    ]


def test_of_too_many_categories_the_frequent_ones_stay():
    keys = np.arange(1, 101, dtype=np.uint64)
    counts = np.column_stack([np.arange(1, 101), np.zeros(100, dtype=np.int64)])
    found, least = fit_click_counts(lambda: iter([(keys, counts)]), 100, most=40)
    assert len(found) <= 40
    assert found.rows.min() == least == 64  # the first power of two that leaves few enough


def test_wrong_parts_are_refused():
    with pytest.raises(ValueError, match="keys must differ, got one twice"):
        ClickCounts(KEYS[[0, 0]], np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match=r"counts must have shape \(3, 2\), got \(3, 1\)"):
        ClickCounts(KEYS, np.zeros((3, 1), dtype=np.int64))
    counts = ClickCounts(KEYS, np.zeros((3, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="base_rate must lie between 0 and 1"):
        ClickHistory(counts, 1.0, 5.0, (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(ValueError, match="deviations must be positive"):
        ClickHistory(counts, 0.5, 5.0, (0.0, 0.0), (1.0, 0.0))
    with pytest.raises(ValueError, match="means and deviations must be two numbers"):
        ClickHistory(counts, 0.5, 5.0, (0.0, math.nan), (1.0, 1.0))


def test_a_cross_tells_every_combination_and_the_order_of_its_fields():
    user = TokenCells(np.array([0, 1, 0, 1]), KEYS[:2])
    item = TokenCells(np.array([0, 0, 1, 0]), Tokens.from_texts(["pen", "cup"]).keys)
    cross = cross_cells([user, item])
    keys = cross.keys[cross.codes]
    assert keys[1] == keys[3]
    assert len(set(keys.tolist())) == 3
    other = cross_cells([item, user])
    assert not set(other.keys.tolist()) & set(keys.tolist())


def test_a_cross_has_the_same_keys_in_any_block():
    draw = np.random.default_rng(4)
    keys = draw.integers(1, 1 << 60, 9).astype(np.uint64)
    a, b = draw.integers(0, 9, 50), draw.integers(0, 9, 50)
    whole = cross_cells([TokenCells(a, keys), TokenCells(b, keys)])
    order = draw.permutation(9)
    back = np.argsort(order)
    part = cross_cells([TokenCells(back[a[20:]], keys[order]), TokenCells(b[20:], keys)])
    np.testing.assert_array_equal(whole.keys[whole.codes][20:], part.keys[part.codes])


def test_memory_of_the_counts_is_bounded():
    assert click_history.MAX_HISTORY_KEYS * 24 < 64 << 20
