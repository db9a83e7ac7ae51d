"""Recipe: what ``config.json`` records of fields and options, read and compared again."""

import json
from pathlib import Path

import pytest

from ctrkit.distill.teachers import fingerprint_of
from ctrkit.fields import FieldShape
from ctrkit.models import CTRModel
from ctrkit.runs import Recipe

WHERE = Path("run/config.json")
FIELDS = (
    7,
    FieldShape(cardinality=5, num_values=2),
    FieldShape(cardinality=2, has_value=True, width=3),
)


class Mean(CTRModel):
    """A class without a constructor, and so with the options of every model."""

    def interact(self, vectors):
        return vectors.mean((1, 2))


def recipe(fields=FIELDS, model="crossnet", **options) -> Recipe:
    options = Recipe(model=model, options=options, fields=fields).blueprint().options()
    data = {"fingerprint": "abc", "path": "data", "options": {}}
    return Recipe(model=model, options=options, fields=fields, data=data)


def config_of(made: Recipe) -> dict:
    return json.loads(json.dumps(made.to_config()))


def test_fields_with_values_are_written_and_read_again():
    made = recipe()
    read = Recipe.of_model(config_of(made), where=WHERE)
    assert read.fields == FIELDS
    assert made.difference(config_of(made)) is None
    fewer = recipe((7, FieldShape(cardinality=5, num_values=1), FIELDS[2]))
    assert "model cardinalities" in fewer.difference(config_of(made))


def test_fields_without_numbers_beside_their_ids_are_written_as_before():
    assert config_of(recipe())["model"]["cardinalities"][2] == {
        "cardinality": 2,
        "num_slots": 1,
        "has_value": True,
        "shares_with": None,
        "width": 3,
    }


@pytest.mark.parametrize(
    ("num_values", "message"),
    [
        (-1, "a field: num_values must not be negative, got -1"),
        ("2", "a field: option 'num_values' must be int, got '2'"),
    ],
)
def test_damaged_numbers_of_values_are_named(num_values, message):
    config = config_of(recipe())
    config["model"]["cardinalities"][1]["num_values"] = num_values
    with pytest.raises(ValueError, match=f"config.json must describe the model.*{message}"):
        Recipe.of_model(config, where=WHERE)


def test_more_values_than_a_row_can_have_are_refused_before_memory_is_taken():
    config = config_of(recipe())
    config["model"]["cardinalities"][1]["num_values"] = 10**15
    read = Recipe.of_model(config, where=WHERE)
    with pytest.raises(ValueError, match="at most 200,000 values together, got 1000000000000001"):
        read.blueprint()


@pytest.mark.parametrize("model", ["crossnet", Mean], ids=["crossnet", "own"])
def test_a_run_from_before_there_was_a_linear_part_had_none(model):
    made, linear = recipe(model=model), recipe(model=model, linear=True)
    config = config_of(made)
    assert config["model"]["options"].pop("linear") is False
    assert made.difference(config) is None
    assert "model options" in linear.difference(config)
    read = Recipe.of_model(config, [Mean], where=WHERE)
    assert read.blueprint().options() == made.options


def test_a_teacher_without_a_linear_part_is_told_as_before_there_was_one():
    model = recipe().new_model()
    now = fingerprint_of(model)
    model._given.pop("linear")
    assert fingerprint_of(model) == now
    assert fingerprint_of(recipe(linear=True).new_model()) != now
