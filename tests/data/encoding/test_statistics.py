"""Mean and deviation of training rows, against exact sums; values against the formula."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrkit.data import Field, Schema, prepare
from ctrkit.data.encoding.statistics import (
    LARGEST_DEVIATIONS,
    LARGEST_LOG,
    Statistics,
    fit_statistics,
    log1p_of,
)

LARGEST = 1.7976931348623157e308


def fitted(numbers, counts=None, num_pieces=1):
    counts = np.ones(len(numbers), dtype=np.int64) if counts is None else np.array(counts)
    pieces = [
        (np.array(numbers[at::num_pieces], dtype=np.float64), counts[at::num_pieces])
        for at in range(num_pieces)
    ]
    return fit_statistics(lambda: iter(pieces))


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(finite, st.integers(0, 3)), max_size=20), st.integers(1, 3))
def test_they_are_mean_and_deviation(rows, num_pieces):
    found = fitted([n for n, _ in rows] + [math.nan], [c for _, c in rows] + [9], num_pieces)
    known = [Fraction(number) for number, count in rows for _ in range(count)]
    if not known:
        assert found == Statistics(0.0, 1.0)
        return
    size = max(map(abs, known))
    if max(known) - min(known) <= 2 * Fraction(math.ulp(float(size))):
        assert found.deviation == 0
        assert min(known) <= found.mean <= max(known)
        return
    mean = sum(known) / len(known)
    variance = sum((number - mean) ** 2 for number in known) / len(known)
    # Scaled, so that the square fits a float.
    deviation = Fraction(math.sqrt(variance / size**2)) * size
    # The smallest float, 5e-324, is as fine as numbers near zero get.
    assert abs(Fraction(found.mean) - mean) <= size * Fraction(1e-14) + Fraction(5e-324)
    if max(known) - min(known) > 5 * Fraction(math.ulp(float(size))):
        assert abs(Fraction(found.deviation) - deviation) <= size * Fraction(1e-9)
        assert found.deviation > 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, unique=True), st.data())
def test_ordinary_numbers_keep_the_bits_of_the_plain_formula(numbers, data):
    size = len(numbers)
    counts = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)))
    numbers = np.array(numbers)
    chosen = numbers[counts > 0]
    if not chosen.size or np.ptp(chosen) <= 1e-8 * np.abs(chosen).max():
        return
    if np.abs(chosen).max() < 1e-100:
        return  # the squares of the plain formula vanish
    mean = float(numbers @ counts) / counts.sum()
    deviation = math.sqrt(float(((numbers - mean) ** 2) @ counts) / counts.sum())
    found = fitted(numbers, counts)
    assert found.mean == min(max(mean, chosen.min()), chosen.max())
    assert found.deviation == deviation


@pytest.mark.parametrize("number", [123456.789, 0.1, 1e308, LARGEST, 5e-324, -7.25, 0.0])
def test_a_constant_is_a_constant(number):
    found = fitted([number] * 1000, num_pieces=7)
    assert found == Statistics(number, 0.0)
    assert found.standardised(np.array([number, 1.01 * number, LARGEST, -3.0])).tolist() == [0] * 4


def test_numbers_rounded_from_one_are_a_constant():
    assert fitted([0.3, 0.1 + 0.2, 0.3]).deviation == 0


def test_a_number_of_other_rows_makes_no_constant_vary():
    assert fitted([2.5, 1e300], [10, 0]) == Statistics(2.5, 0.0)
    assert fitted([1e-300, 2e-300, 1e300], [1, 1, 0]) == Statistics(1.5e-300, 5e-301)


def test_narrow_numbers_keep_their_differences():
    found = fitted(1e15 + np.array([0.0, 2.0, 4.0, 2.0]))
    assert found.mean == 1e15 + 2
    assert found.deviation == pytest.approx(math.sqrt(2))


@given(st.lists(finite, min_size=1, max_size=5), finite)
def test_every_value_is_finite_and_clipped(numbers, number):
    values = fitted(numbers).standardised(np.array([*numbers, number, LARGEST, -LARGEST]))
    assert (np.abs(values) <= LARGEST_DEVIATIONS).all()
    assert (np.abs(log1p_of(np.array([number, LARGEST, -LARGEST]))) <= LARGEST_LOG).all()


def test_prepare_and_encode_give_a_constant_and_far_numbers_plain_values():
    frame = pd.DataFrame(
        {
            "same": [123456.789] * 100,
            "far": [1e300, *np.linspace(0, 1, 99)],
            "none": [None] * 100,
            "click": [0, 1] * 50,
        }
    )
    kinds = [Field("same", "numeric"), Field("far", "numeric"), Field("none", "numeric")]
    data = prepare(frame, schema=Schema(kinds, label="click"), split="last")
    assert np.abs(data.train.values).max() <= LARGEST_DEVIATIONS
    assert set(data.train.values[:, 0].tolist()) == {0.0}
    assert set(data.train.values[:, 2].tolist()) == {1.0}
    new = frame.assign(same=1.01 * 123456.789, far=-LARGEST, none=3.0).iloc[:1]
    assert data.encoder.encode(new).values.tolist() == [[0.0, -LARGEST_DEVIATIONS, 3.0]]
