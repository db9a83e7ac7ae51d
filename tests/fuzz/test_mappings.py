"""Options and schemas of any names and values: taken as they are, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from mutation import VALUES

from ctrkit.data import PrepareConfig, Schema
from ctrkit.data.schemas.field import KINDS, Field
from ctrkit.distill import DistillConfig
from ctrkit.models import MODELS, model_options
from ctrkit.models.catalog import blueprint
from ctrkit.options import from_mapping, option_types, to_mapping
from ctrkit.training import TrainConfig

values = st.one_of(
    st.sampled_from(VALUES),
    st.integers(-3, 10),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-1, 9) | st.floats(), max_size=3),
)
WORDS = ["iso", "epoch", "%Y", "%", "%Q", "log1p", "standard", "|", "user", "a"]


def of_options(*classes: type) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings from the names of options, and a wrong name now and then, to values."""
    names = sorted({name for cls in classes for name in option_types(cls)})
    return st.dictionaries(st.sampled_from([*names, "x"]), values, max_size=3)


columns = st.dictionaries(
    st.sampled_from(["user", "a", "a_hour", "", "é"]),
    st.one_of(
        st.sampled_from(KINDS),
        values,
        of_options(Field).map(lambda given: given | {"kind": "categorical"}),
        st.fixed_dictionaries(
            {"kind": st.sampled_from(KINDS)},
            optional={
                "min_count": st.integers(0, 3),
                "hash_buckets": st.sampled_from([0, 5, 2**31]),
                "shares_with": st.sampled_from(WORDS),
                "width": st.sampled_from([0, 3, 10**12]),
                "transform": st.sampled_from(WORDS),
                "time_format": st.one_of(st.sampled_from(WORDS), st.text(max_size=4)),
                "separator": st.sampled_from(["", "|", "ab"]),
                "max_slots": st.sampled_from([0, 4, 10**12]),
            },
        ),
    ),
    max_size=4,
)
schemas = st.builds(lambda fields, rest: {"fields": fields} | rest, columns, of_options(Schema))


@pytest.fixture
def for_many(request) -> Callable[..., None]:
    """Runs a check on as many examples as ``--fuzz`` says, made by ``--fuzz-seed``."""

    def run(strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
        number = request.config.getoption("--fuzz")
        many = settings(max_examples=number, deadline=None, database=None, print_blob=False)
        seed(request.config.getoption("--fuzz-seed"))(many(given(strategy)(check)))()

    return run


@pytest.mark.parametrize("cls", [PrepareConfig, TrainConfig, DistillConfig])
def test_options_are_taken_as_they_are_or_refused(cls, for_many):
    def check(given: dict[str, Any]) -> None:
        try:
            built = to_mapping(from_mapping(cls, given, where="x.toml"))
        except (ValueError, TypeError) as error:
            assert str(error).startswith("x.toml: ")  # noqa: PT017
            return
        for name, value in given.items():
            held = list(built[name]) if isinstance(built[name], tuple) else built[name]
            # A float option holds a whole number beyond 2^53 as the float nearest to it.
            assert held == (float(value) if isinstance(held, float) else value)

    for_many(of_options(cls), check)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_model_options_are_taken_as_they_are_or_refused(name, for_many):
    def check(given: dict[str, Any]) -> None:
        try:
            model = blueprint(name, [3, 4], given, where="x.toml")
        except (ValueError, TypeError):
            return
        held = model.options()
        for key, value in given.items():
            is_given = value is not None  # None stands for what the model finds best
            kept = list(held[key]) if isinstance(held[key], tuple) else held[key]
            # A float option holds a whole number beyond 2^53 as the float nearest to it.
            assert not is_given or kept == (float(value) if isinstance(kept, float) else value)

    for_many(of_options(model_options(name)), check)


@pytest.mark.slow
def test_a_schema_is_taken_as_it_is_or_refused(for_many):
    def check(given: dict[str, Any]) -> None:
        try:
            schema = Schema.from_mapping(given, where="x.toml")
        except (ValueError, TypeError) as error:
            assert str(error).startswith("x.toml")  # noqa: PT017
            return
        assert Schema.from_toml(schema.to_toml()) == schema
        for name, kind in given["fields"].items():
            named = kind if isinstance(kind, str) else kind.get("kind", Field("x").kind)
            assert schema.field(name).kind == named

    for_many(schemas, check)
