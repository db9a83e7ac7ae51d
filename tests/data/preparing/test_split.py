"""Splits: exact proportions, no dependence on how the log is cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest

from ctrkit.data.preparing.split import (
    GROUP_ROWS,
    LastSplit,
    RandomSplit,
    Span,
    TimeSplit,
    check_fractions,
)

FRACTIONS = (0.8, 0.1, 0.1)


@pytest.mark.parametrize("num_rows", [10, 20, 999, 1000, 1001, 4321])
@pytest.mark.parametrize("fractions", [FRACTIONS, (0.7, 0.3, 0.0), (0.98, 0.013, 0.007)])
def test_random_proportions_are_exact(num_rows, fractions):
    parts = RandomSplit(num_rows, fractions, seed=3).parts(Span(0, num_rows))
    expected = num_rows * np.array(fractions)
    assert np.abs(np.bincount(parts, minlength=3) - expected).max() <= 1


@pytest.mark.parametrize("step", [1, 7, 999, 1500])
def test_random_parts_do_not_depend_on_the_blocks(step):
    split = RandomSplit(2345, FRACTIONS, seed=5)
    whole = split.parts(Span(0, 2345))
    pieces = [split.parts(Span(start, min(step, 2345 - start))) for start in range(0, 2345, step)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_every_row_has_the_same_chance():
    num_rows, seeds = 50, 4000
    test = sum(
        RandomSplit(num_rows, FRACTIONS, seed).parts(Span(0, num_rows)) == 2
        for seed in range(seeds)
    )
    deviation = np.sqrt(0.1 * 0.9 / seeds)
    assert np.abs(test / seeds - 0.1).max() < 4.5 * deviation


def test_seeds_and_groups_differ():
    one = RandomSplit(3 * GROUP_ROWS, FRACTIONS, 1).parts(Span(0, 3 * GROUP_ROWS))
    two = RandomSplit(3 * GROUP_ROWS, FRACTIONS, 2).parts(Span(0, 3 * GROUP_ROWS))
    assert (one != two).mean() > 0.2
    assert (one[:GROUP_ROWS] != one[GROUP_ROWS : 2 * GROUP_ROWS]).mean() > 0.2


def test_the_random_split_never_changes():
    # Frozen when it was written: data prepared with a seed must stay the same for good.
    parts = RandomSplit(20, FRACTIONS, 2021).parts(Span(0, 20))
    assert parts.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 1, 1, 0]


def test_last_keeps_the_order():
    parts = LastSplit(21, FRACTIONS).parts(Span(0, 21))
    assert np.bincount(parts).tolist() == [17, 2, 2]
    assert (np.diff(parts.astype(int)) >= 0).all()
    np.testing.assert_array_equal(LastSplit(21, FRACTIONS).parts(Span(15, 6)), parts[15:])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "fractions", [FRACTIONS, (0.5, 0.0, 0.5), (0.9, 0.1, 0.0), (1.0, 0.0, 0.0)]
)
def test_time_never_divides_a_moment_and_leaves_no_part_empty(seed, fractions):
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, generator.integers(3, 40), size=200).astype(float)
    times, counts = np.unique(rows, return_counts=True)
    parts = TimeSplit.fit(times, counts, fractions).parts(Span(0, 200, rows))
    for time in times:
        assert len(set(parts[rows == time].tolist())) == 1
    order = np.argsort(rows)
    assert (np.diff(parts[order].astype(int)) >= 0).all()
    assert set(parts.tolist()) == {part for part in range(3) if fractions[part] > 0}


def test_time_cuts_as_near_to_the_fractions_as_it_can():
    times, counts = np.arange(100.0), np.full(100, 7)
    assert TimeSplit.fit(times, counts, FRACTIONS) == TimeSplit(80.0, 90.0)


def test_time_needs_as_many_moments_as_parts():
    with pytest.raises(ValueError, match="needs at least 3 different times, got 2"):
        TimeSplit.fit(np.array([1.0, 2.0]), np.array([5, 5]), FRACTIONS)


@pytest.mark.parametrize(
    "fractions", [(0.8, 0.1), (0.8, 0.1, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)]
)
def test_fractions_must_add_up(fractions):
    with pytest.raises(ValueError, match="fractions must be three numbers"):
        check_fractions(fractions)
