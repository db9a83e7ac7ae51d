"""The rule for numbers, against a slow definition."""

from __future__ import annotations

import math
import string
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrkit.data import infer_schema
from ctrkit.data.columns.numbers import (
    LARGEST_WHOLE,
    NO_NUMBER,
    is_number,
    is_whole,
    numbers_of,
    whole_numbers_of,
)
from ctrkit.data.columns.tokens import Tokens

texts = (
    st.text("0123456789+-.eE", max_size=12)
    | st.text("01.-_ \t\u00a0٣１infatyx", max_size=8)
    | st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.text(max_size=5)
).filter(lambda text: "\0" not in text)


def spells_whole(text):
    digits = text[1:] if text[:1] in ("+", "-") else text
    return bool(digits) and set(digits) <= set(string.digits)


def spells_number(text):
    mantissa, has_exponent, exponent = text.lower().partition("e")
    if has_exponent and not spells_whole(exponent):
        return False
    mantissa = mantissa[1:] if mantissa[:1] in ("+", "-") else mantissa
    before, _, behind = mantissa.partition(".")
    return bool(before + behind) and set(before + behind) <= set(string.digits)


def value_of(text):
    """The nearest float64, by exact arithmetic where that is short."""
    return float(Decimal(text)) if len(text) < 30 else float(text)


@given(st.lists(texts, max_size=20))
@example([".5", "5.", ".", "+.e1", "1e400", "-0", "1e-400"])
@example(["1e5", "nan", "inf", "1_0"])
def test_numbers_follow_the_rule(column):
    numbers, bad = numbers_of(Tokens.from_texts(column))
    for text, number, is_bad in zip(column, numbers.tolist(), bad.tolist(), strict=True):
        expected = value_of(text) if spells_number(text) else math.nan
        if not text:
            assert math.isnan(number)
            assert not is_bad
        elif math.isfinite(expected):
            assert number == expected
            assert not is_bad
            assert is_number(text)
        else:
            assert is_bad
            assert not is_number(text)


@given(st.lists(texts, max_size=20))
@example(["0" * 5000 + "12", "9" * 5000, "-" + "9" * 19, str(2**63), "-0", "+0000000007"])
def test_whole_numbers_follow_the_rule(column):
    values, bad = whole_numbers_of(Tokens.from_texts(column))
    for text, value, is_bad in zip(column, values.tolist(), bad.tolist(), strict=True):
        assert is_whole(text) == spells_whole(text)
        if not text:
            assert value == NO_NUMBER
            assert not is_bad
        elif spells_whole(text):
            exact = int(text[:1] + text[1:].lstrip("0")[:25] if len(text) > 25 else text)
            assert value == max(min(exact, LARGEST_WHOLE), -LARGEST_WHOLE)
            assert not is_bad
        else:
            assert is_bad


@pytest.mark.parametrize(
    "text", ["3.4028235e38", "1.7976931348623157e308", "1" + "0" * 300, "0" * 400 + "1.5", "1e-999"]
)
def test_any_finite_number_is_accepted(text):
    numbers, bad = numbers_of(Tokens.from_texts([text]))
    assert not bad.any()
    assert numbers[0] == float(text)


def test_hashed_ids_are_guessed_to_be_categories(tmp_path):
    (tmp_path / "log.csv").write_text(
        f"user,price,click\n{2**62 + 1},1e5,0\n{2**64 + 3},2.5,1\n{10**30},,1\n"
    )
    schema = infer_schema(tmp_path / "log.csv")
    kinds = [(field.name, field.kind) for field in schema.fields]
    assert kinds == [("user", "categorical"), ("price", "numeric")]


@pytest.mark.parametrize("text", [" 1.5", "1.5\u00a0", "１.５", "1_0.5", "nan", "inf"])
def test_a_column_with_a_text_that_is_no_number_is_guessed_to_be_of_categories(tmp_path, text):
    (tmp_path / "log.csv").write_text(f"x,click\n1.5,0\n{text},1\n", encoding="utf-8")
    assert infer_schema(tmp_path / "log.csv").field("x").kind == "categorical"
