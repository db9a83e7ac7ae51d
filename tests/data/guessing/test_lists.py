"""Columns of lists, and texts that are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, guess_schema, prepare

ROWS = 600
GENRES = ["War", "Drama", "Film-Noir", "Comedy", "Sci-Fi", "Action", "Western", "Musical"]


def guessed(texts):
    frame = pd.DataFrame({"user": ["a", "b", "c"] * (len(texts) // 3), "x": texts})
    frame["click"] = [0, 1] * (len(texts) // 2)
    guess = guess_schema(frame)
    prepare(frame)
    return guess.schema.field("x"), guess.columns[1].reason


def lists(separator, items=GENRES, most=4):
    generator = np.random.default_rng(1)
    return [
        separator.join(map(str, generator.choice(items, generator.integers(1, most + 1), False)))
        for _ in range(ROWS)
    ]


@pytest.mark.parametrize("separator", ["|", ";", "; ", ",", ", ", " "])
def test_lists_are_known_by_items_that_repeat(separator):
    field, reason = guessed(lists(separator))
    expected = None if separator == "|" else separator
    assert field == Field("x", "multivalued", separator=expected, max_slots=4)
    assert reason == "lists of 8 different items, at most 4 in a cell"


def test_lists_of_numbers_are_lists():
    assert guessed(lists(",", range(5, 40)))[0].kind == "multivalued"


def test_lists_of_which_most_have_one_item_are_lists():
    texts = [
        text.partition("|")[0] if n % 3 else text for n, text in enumerate(lists("|", range(30)))
    ]
    assert guessed(texts)[0].kind == "multivalued"


def test_the_longest_lists_are_cut():
    assert guessed(lists("|", range(100, 140), most=30))[0].max_slots == 20


def test_missing_lists_are_empty():
    texts = ["" if n % 3 else text for n, text in enumerate(lists("|"))]
    assert guessed(texts)[0].kind == "multivalued"


GENERATOR = np.random.default_rng(0)
NO_LISTS = {
    "names": [f"Smith{n % 97}, John{n % 89}" for n in range(ROWS)],
    "sizes": [f"{n % 9} {n % 7}" for n in range(ROWS)],
    "sums": [f"{n % 977_000 + 1000:,}.50" for n in range(0, ROWS * 997, 997)],
    "decimal commas": [f"{n % 50},{n % 7}" for n in range(ROWS)],
    "sums of money": [f"$1,{n % 9}00,{n % 7}50" if n % 2 else f"${n % 90}" for n in range(ROWS)],
    "titles": [
        " ".join(f"word{int(n)}" for n in GENERATOR.zipf(1.3, GENERATOR.integers(2, 7)) % 10**6)
        for _ in range(ROWS)
    ],
    "few phrases": ["New York", "San Francisco", "Rio de Janeiro", "Paris"] * (ROWS // 4),
}


@pytest.mark.parametrize("what", NO_LISTS)
def test_other_texts_are_no_lists(what):
    assert guessed(NO_LISTS[what])[0].kind in ("categorical", "dropped")
