"""Options: what is refused, and what the message says."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrkit.options import (
    check_choice,
    check_fraction,
    check_not_negative,
    check_positive,
    from_mapping,
    option,
    suggest,
    to_mapping,
)
from ctrkit.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Example:
    size: int = option(3, "a whole number")
    rate: float = option(0.5, "a number")
    name: str = option("a", "a text", choices=("a", "b"))
    flag: bool = option(False, "yes or no")
    orders: tuple[int, ...] | None = option(None, "numbers, or none")

    def __post_init__(self) -> None:
        check_positive(size=self.size)


def test_defaults_stand_without_a_mapping():
    assert from_mapping(Example, {}, where="x") == Example()


def test_lists_of_toml_become_tuples_and_whole_numbers_floats():
    built = from_mapping(Example, {"orders": [1, 2], "rate": 2}, where="x")
    assert built.orders == (1, 2)
    assert isinstance(built.rate, float)


def test_goes_back_and_forth():
    example = Example(size=4, orders=(3,))
    assert from_mapping(Example, to_mapping(example), where="x") == example


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ({"sise": 1}, ValueError, r"x: unknown option 'sise'; did you mean 'size'\?"),
        ({"zzz": 1}, ValueError, r"unknown option 'zzz'; choose from flag, name, orders, rate, si"),
        ({"size": "3"}, TypeError, r"x: option 'size' must be int, got '3'"),
        ({"size": True}, TypeError, r"option 'size' must be int, got True"),
        ({"size": 1.5}, TypeError, r"option 'size' must be int, got 1.5"),
        ({"rate": "high"}, TypeError, r"option 'rate' must be float, got 'high'"),
        ({"orders": 3}, TypeError, r"option 'orders' must be a list of int or nothing, got 3"),
        ({"orders": [1, "2"]}, TypeError, r"option 'orders' must be a list of int or nothing"),
        ({"flag": 1}, TypeError, r"option 'flag' must be bool, got 1"),
        ({"size": 0}, ValueError, r"x: size must be positive, got 0"),
    ],
)
def test_mistakes_are_named(values, kind, message):
    with pytest.raises(kind, match=message):
        from_mapping(Example, values, where="x")


@given(st.text(min_size=1, max_size=20))
def test_any_unknown_name_is_refused_with_a_hint(name):
    if name in Example.__dataclass_fields__:
        return
    with pytest.raises(ValueError, match=r"did you mean|choose from"):
        from_mapping(Example, {name: 1}, where="x")


def test_suggestions_are_close_names_or_all_of_them():
    assert suggest("learning_rat", ["learning_rate", "epochs"]) == "; did you mean 'learning_rate'?"
    assert suggest("q", ["b", "a"]) == "; choose from a, b"


@pytest.mark.parametrize("bad", [0, -1, float("nan")])
def test_positive_refuses(bad):
    with pytest.raises(ValueError, match="width must be positive, got"):
        check_positive(width=bad)


@pytest.mark.parametrize("bad", [-1e-9, float("nan")])
def test_not_negative_refuses(bad):
    with pytest.raises(ValueError, match="l2 must not be negative, got"):
        check_not_negative(l2=bad)


@pytest.mark.parametrize("bad", [1.0, -0.1, float("nan")])
def test_fraction_refuses(bad):
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), got"):
        check_fraction(dropout=bad)


def test_choice_suggests():
    check_choice("model", "a", ["a", "b"])
    with pytest.raises(ValueError, match="unknown model 'c'; choose from a, b"):
        check_choice("model", "c", ["a", "b"])


def test_a_number_too_large_for_a_float_is_refused():
    with pytest.raises(TypeError, match=r"x.toml: option 'learning_rate' must be float, got 1000"):
        from_mapping(TrainConfig, {"learning_rate": 10**400}, where="x.toml")


def test_long_names_and_values_are_shortened_in_messages():
    for values in ({"x" * 10_000: 1}, {"seed": "x" * 10_000}, {"optimizer": 16**5000}):
        with pytest.raises((ValueError, TypeError)) as caught:
            from_mapping(TrainConfig, values, where="x.toml")
        assert len(str(caught.value)) < 1500
