"""The linear part that stands beside any model: a weight for each id and value."""

import subprocess
import sys

import pytest
import torch
from own_models import FM, LR, Wide
from reference import assert_close

from ctrkit.embedding import tables_of
from ctrkit.fields import FieldShape
from ctrkit.models import (
    MODELS,
    CrossNet,
    blueprint,
    build_model,
    common_tables,
    cost_of,
    take_table,
    xDeepFM,
)

CARDINALITIES = [5, 3, 7]
FIELDS = [
    FieldShape(cardinality=5, num_values=2),
    FieldShape(cardinality=3, has_value=True),
    FieldShape(cardinality=7, num_slots=2, num_values=1),
]
WITHOUT_VECTORS = [name for name in MODELS if name != "xdeepfm"]


def with_linear(name: str) -> dict[str, object]:
    return {"embedding_dim": 4, "linear": "ids" if name == "xdeepfm" else True}


def make(name, fields=CARDINALITIES, **options):
    torch.manual_seed(0)
    return build_model(name, fields, {"embedding_dim": 4, **options}, where="test").eval()


@pytest.mark.parametrize("name", MODELS)
def test_it_adds_a_weight_for_each_id_and_value(name):
    model = make(name, FIELDS, **with_linear(name)).double()
    with torch.no_grad():
        for weights in (model.weights.tables[0], model.weights.directions, model.bias):
            weights.normal_()
    ids = torch.tensor([[4, 2, 6, 3], [0, 1, 5, 0], [2, 0, 0, 0]])
    values = torch.randn(3, 4, dtype=torch.float64)
    table, directions = model.weights.tables[0][:, 0], model.weights.directions[:, 0]
    expected = model.interact(model.embedding(ids, values)).detach()
    for row in range(3):
        user, price, *tags = ids[row].tolist()
        first, second, third, fourth = values[row]
        expected[row] += model.bias
        expected[row] += table[user] + first * directions[0] + second * directions[1]
        expected[row] += table[5 + price] * third
        present = [tag for tag in tags if tag] or [0]
        expected[row] += sum(table[8 + tag] for tag in present) / len(present)
        expected[row] += fourth * directions[2]
    assert_close(model(ids, values), expected)


@pytest.mark.parametrize("name", WITHOUT_VECTORS)
def test_it_starts_at_nothing_and_changes_no_other_start(name):
    plain, linear = make(name, FIELDS), make(name, FIELDS, linear=True)
    theirs = linear.state_dict()
    assert theirs.keys() - plain.state_dict().keys() == {
        "weights.tables.0",
        "weights.directions",
        "bias",
    }
    assert all(torch.equal(theirs[key], weights) for key, weights in plain.state_dict().items())
    ids, values = torch.tensor([[4, 2, 6, 3]]), torch.ones(1, 4)
    assert torch.equal(linear(ids, values), plain(ids, values))


@pytest.mark.parametrize("name", WITHOUT_VECTORS)
def test_without_it_the_choice_is_recorded(name):
    assert make(name).options()["linear"] is False
    assert make(name, linear=True).options()["linear"] is True
    assert make(name, linear=False).state_dict().keys() == make(name).state_dict().keys()


def test_models_of_ones_own_have_it_only_if_they_hand_it_on():
    assert "linear" not in FM([3, 4]).options()
    model = LR([3, 4])  # its own `weights` and `bias` count once
    ids = torch.tensor([[2, 1]])
    assert_close(model(ids), model.weights(ids).sum((1, 2)) + model.bias)
    assert "weights.tables.0" in Wide([3, 4]).state_dict()
    assert "weights.tables.0" not in Wide([3, 4], linear=False).state_dict()


def test_its_weights_are_a_table_and_its_directions_are_not():
    model = make("crossnet", FIELDS, linear=True)
    assert [tuple(table.shape) for table in tables_of(model)] == [(15, 4), (15, 1)]
    plain, linear = cost_of(make("crossnet", FIELDS)), cost_of(model)
    assert linear.table_parameters == plain.table_parameters + 15
    assert linear.net_parameters == plain.net_parameters + 3 + 1


@pytest.mark.parametrize("name", MODELS)
def test_its_blueprint_has_the_weights_of_the_model(name):
    planned = blueprint(name, FIELDS, with_linear(name), where="x").state_dict()
    built = make(name, FIELDS, **with_linear(name)).state_dict()
    assert {key: value.shape for key, value in planned.items()} == {
        key: value.shape for key, value in built.items()
    }
    assert all(value.is_meta for value in planned.values())


def test_its_blueprint_does_not_wake_the_compiler():
    code = (
        "import sys\n"
        "from ctrkit.fields import FieldShape\n"
        "from ctrkit.models import MODELS, blueprint\n"
        "for name in MODELS:\n"
        "    linear = {'linear': 'ids' if name == 'xdeepfm' else True}\n"
        "    blueprint(name, [3, FieldShape(cardinality=4, num_values=2)], linear, where='x')\n"
        "assert not {'torch._dynamo', 'sympy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("of_teacher", "of_student", "taken"),
    [
        (True, True, ["embedding", "weights"]),
        (True, False, ["embedding"]),
        (False, True, ["embedding"]),
    ],
)
def test_a_student_takes_the_weights_of_a_teacher_that_has_some(of_teacher, of_student, taken):
    teacher, student = make("crossnet", linear=of_teacher), make("dagfm", linear=of_student)
    if of_teacher:
        torch.nn.init.normal_(teacher.weights.tables[0])
    assert [ours for _, ours in common_tables(teacher, student)] == [
        getattr(student, name) for name in taken
    ]
    take_table(teacher, student)
    for name in taken:
        theirs, ours = getattr(teacher, name), getattr(student, name)
        assert torch.equal(ours.tables[0], theirs.tables[0])


def test_the_papers_xdeepfm_can_teach_any_linear_part():
    teacher = xDeepFM(CARDINALITIES, embedding_dim=4, linear="ids", num_maps=[3], hidden_dims=[5])
    assert teacher.weights.tables[0].std() > 0
    student = CrossNet(CARDINALITIES, embedding_dim=4, linear=True)
    take_table(teacher, student)
    assert torch.equal(student.weights.tables[0], teacher.weights.tables[0])


@pytest.mark.parametrize("name", WITHOUT_VECTORS)
def test_other_answers_than_yes_and_no_are_refused(name):
    with pytest.raises(TypeError, match="test: option 'linear' must be bool or nothing, got 'ids'"):
        make(name, linear="ids")
