"""The cost of a model, counted by hand."""

import pytest
import torch

from ctrkit.fields import FieldShape
from ctrkit.models import CIN, DAGFM, MODELS, AutoIntPlus, CrossNet, DCNv2, EulerNet, xDeepFM
from ctrkit.models.cost import cost_of

F, D = 39, 16
FIELDS = [5] * F


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (CrossNet(FIELDS), 3 * (F * D) ** 2 + F * D),
        (CIN(FIELDS), D * (200 * F * F + 2 * 200 * 200 * F) + 600),
        (DAGFM(FIELDS, interaction="inner"), F * F * D + 3 * F * F * D + 4 * F),
        (DAGFM(FIELDS, interaction="outer"), F * F * D + 3 * 2 * F * F * D + 4 * F),
        (
            EulerNet(FIELDS, orders=[F, F]),
            2 * (2 * F * F * D) + 2 * 2 * (F * D) ** 2 + 2 * F * D,
        ),
        (
            DCNv2(FIELDS, num_layers=2, hidden_dims=[10]),
            2 * (F * D) ** 2 + F * D * 10 + F * D + 10,
        ),
        (
            xDeepFM(FIELDS, num_maps=[20], hidden_dims=[10]),
            D * 20 * F * F + 20 + F * D * 10 + 10,
        ),
        (
            # Queries, keys and values (the sum of inputs is projected too), then attention.
            AutoIntPlus(FIELDS, num_layers=1, num_heads=2, head_dim=4, hidden_dims=[10]),
            4 * F * D * 8 + 2 * F * F * 8 + F * 8 + F * D * 10 + 10,
        ),
    ],
    ids=[
        "crossnet",
        "cin",
        "dagfm inner",
        "dagfm outer",
        "eulernet",
        "dcnv2",
        "xdeepfm",
        "autoint",
    ],
)
def test_multiply_adds_are_those_of_the_matrix_products(model, expected):
    assert cost_of(model).multiply_adds == pytest.approx(expected, rel=0.02)


def test_the_student_does_a_small_part_of_its_teachers_arithmetic():
    student = cost_of(DAGFM(FIELDS, interaction="outer")).multiply_adds
    assert cost_of(CIN(FIELDS)).multiply_adds > 300 * student
    assert cost_of(CrossNet(FIELDS)).multiply_adds > 6 * student


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_counted_and_left_as_it_was(name):
    model = MODELS[name]([4, 7, 3], embedding_dim=4).train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    cost = cost_of(model)
    assert cost.multiply_adds > 0
    assert cost.table_parameters == 14 * 4
    assert cost.table_parameters + cost.net_parameters == sum(p.numel() for p in model.parameters())
    assert model.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_counting_needs_no_memory_for_weights():
    with torch.device("meta"):
        model = CrossNet(FIELDS)
    assert cost_of(model) == cost_of(CrossNet(FIELDS))


def test_averaging_the_slots_of_a_field_is_counted():
    model = DAGFM([FieldShape(cardinality=9, num_slots=5), 3], embedding_dim=4)
    plain = cost_of(DAGFM([9, 3], embedding_dim=4)).multiply_adds
    assert cost_of(model).multiply_adds == plain + 5 * 4
