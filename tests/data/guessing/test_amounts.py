"""Whole numbers: amounts or codes."""

from __future__ import annotations

import numpy as np
import pytest

from ctrkit.data.columns import Column, Tokens
from ctrkit.data.guessing.amounts import WholeNumbers, is_skewed, judge_whole_numbers
from ctrkit.data.guessing.samples import ColumnSample

ROWS = 5000


def sample_of(numbers, name="x"):
    texts = [str(number) for number in numbers]
    distinct = list(dict.fromkeys(texts))
    place = {text: at for at, text in enumerate(distinct)}
    codes = np.array([place[text] for text in texts])
    return ColumnSample.of(name, Column(codes, Tokens.from_texts(distinct)), len(texts))


def shuffled_zipf(generator, ids, size=ROWS):
    weights = 1 / np.arange(1, len(ids) + 1)
    return generator.permutation(ids)[generator.choice(len(ids), size, p=weights / weights.sum())]


AMOUNTS = {
    "ages": lambda g: np.clip(g.normal(38, 13, ROWS), 17, 90).astype(int),
    "prices": lambda g: np.exp(g.normal(8, 1, ROWS)).astype(int),
    "prices that end in 99": lambda g: 100 * np.exp(g.normal(3, 1, ROWS)).astype(int) + 99,
    "counts": lambda g: g.negative_binomial(0.5, 0.02, ROWS),
    "many zeros": lambda g: np.where(g.random(ROWS) < 0.9, 0, g.lognormal(7, 1, ROWS)).astype(int),
    "heights": lambda g: g.normal(172, 9, ROWS).astype(int),
    "degrees": lambda g: g.normal(5, 9, ROWS).astype(int),
    "salaries": lambda g: g.normal(50_000, 12_000, ROWS).astype(int),
}

CODES = {
    "few values": lambda g: g.integers(0, 10, ROWS),
    "ids": lambda g: shuffled_zipf(g, np.arange(1, 1001)),
    "ids with gaps": lambda g: shuffled_zipf(g, g.choice(2_000_000, 800, replace=False)),
    "ids of equal frequency": lambda g: g.integers(1, 1001, ROWS),
    "zip codes": lambda g: shuffled_zipf(g, np.arange(10_000, 99_999, 31)),
    "ids of late rows": lambda g: (20_000 - g.exponential(800, ROWS)).astype(int),
    "ids by frequency": lambda g: (
        np.sort(shuffled_zipf(g, np.arange(300), 300 * ROWS)) * 0
        + np.minimum(g.exponential(40, 300 * ROWS).astype(int), 299)
    ),
    "numbers far from 0": lambda g: 5149 + np.minimum(g.exponential(20, ROWS).astype(int), 99),
    "one number for nothing": lambda g: np.where(
        g.random(ROWS) < 0.5, -1, 100_000 + shuffled_zipf(g, np.arange(200))
    ),
}


@pytest.mark.parametrize("what", AMOUNTS)
def test_amounts_are_known_by_their_values(what):
    is_amount, reason = judge_whole_numbers(sample_of(AMOUNTS[what](np.random.default_rng(1))))
    assert is_amount
    assert reason.startswith("amounts: ")


@pytest.mark.parametrize("what", CODES)
def test_codes_are_known_by_their_values(what):
    is_amount, reason = judge_whole_numbers(sample_of(CODES[what](np.random.default_rng(1))))
    assert not is_amount
    assert reason.startswith("codes: ")


def test_leading_zeros_are_those_of_codes():
    numbers = AMOUNTS["ages"](np.random.default_rng(1))
    assert judge_whole_numbers(sample_of(f"{number:03}" for number in numbers)) == (
        *(False, "codes: leading zeros"),
    )


@pytest.mark.parametrize("name", ["user_id", "zip", "itemId", "hour", "category"])
def test_the_name_of_a_code_counts_more_than_values_like_amounts(name):
    numbers = AMOUNTS["counts"](np.random.default_rng(1))
    assert judge_whole_numbers(sample_of(numbers, name)) == (False, "codes, by the name")


@pytest.mark.parametrize("name", ["hours_per_week", "distance", "NumVisits", "price"])
def test_the_name_of_an_amount_counts_where_values_look_like_codes(name):
    numbers = CODES["ids of equal frequency"](np.random.default_rng(1))
    assert judge_whole_numbers(sample_of(numbers, name)) == (True, "amounts, by the name")
    few = CODES["few values"](np.random.default_rng(1))
    assert not judge_whole_numbers(sample_of(few, name))[0]


def test_numbers_with_a_plain_point_are_whole():
    numbers = AMOUNTS["ages"](np.random.default_rng(1))
    assert judge_whole_numbers(sample_of(f"{number}.0" for number in numbers))[0]


def test_statistics_follow_their_definitions():
    values = np.array([10.0, 11, 12, 14, 18])
    counts = np.array([8, 4, 2, 1, 1])
    found = WholeNumbers.of(values, counts)
    assert (found.distinct, found.far, found.fill) == (5, 10 / 8, 5 / 9)
    logs = np.log(counts)
    expected = np.mean(np.diff(logs) ** 2) / (2 * logs.var())
    assert found.roughness <= expected
    assert found.scatter == 0  # too few values
    assert found.falling < -0.9


def test_a_rough_order_of_frequencies_has_roughness_one():
    generator = np.random.default_rng(0)
    found = [
        WholeNumbers.of(np.arange(5000.0) * 7 + 13, generator.integers(1, 50, 5000)).roughness
        for _ in range(5)
    ]
    assert 0.7 < np.mean(found) < 1.1


@pytest.mark.parametrize(("numbers", "expected"), [
    (lambda g: g.lognormal(3, 1, ROWS), True),
    (lambda g: -g.lognormal(3, 1, ROWS), False),
    (lambda g: g.normal(0, 1, ROWS), False),
    (lambda g: np.full(ROWS, 7.0), False),
    (lambda g: g.lognormal(3, 1, 50), False),
    (lambda g: g.lognormal(3, 1, ROWS) * 1e300, True),
])  # fmt: skip
def test_amounts_are_skewed_where_a_logarithm_helps(numbers, expected):
    values, counts = np.unique(numbers(np.random.default_rng(0)), return_counts=True)
    assert is_skewed(values, counts) is expected
