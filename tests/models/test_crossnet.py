"""CrossNet against the published formulas, and what must hold for any input."""

import pytest
import torch
from reference import Arrays, assert_equals_fixture, copy_linear, load

from ctrkit.models import CrossNet


def model_from(golden: Arrays, cardinality: int = 2) -> CrossNet:
    num_fields = 7
    num_layers = sum(key.endswith(".weight") for key in golden)
    dim = golden["layer0.weight"].shape[0] // num_fields
    model = CrossNet([cardinality] * num_fields, embedding_dim=dim, num_layers=num_layers).double()
    for index, layer in enumerate(model.cross.layers):
        copy_linear(layer, golden[f"layer{index}.weight"], golden[f"layer{index}.bias"])
    copy_linear(model.output, golden["out_weight"], golden["out_bias"])
    return model.eval()


def test_equals_the_published_formulas():
    golden = load("crossnet")
    assert_equals_fixture(model_from(golden), golden)


def test_a_layer_without_weights_passes_its_state_on():
    model = CrossNet([3, 3], embedding_dim=2, num_layers=4)
    for layer in model.cross.layers:
        torch.nn.init.zeros_(layer.weight)
    inputs = torch.randn(5, 4)
    torch.testing.assert_close(model.cross(inputs), inputs)


def test_degree_grows_by_one_with_every_layer():
    """Along a line through the origin, the state is a polynomial of degree L + 1."""
    torch.manual_seed(0)
    cross = CrossNet([3, 3], embedding_dim=2, num_layers=3).cross.double()
    inputs = torch.randn(1, 4, dtype=torch.float64)
    points = torch.arange(6, dtype=torch.float64)[:, None]
    values = cross(points * inputs)
    for _ in range(5):  # the fifth difference of a polynomial of degree 4 is zero
        before, values = values, values.diff(dim=0)
    torch.testing.assert_close(values, torch.zeros_like(values), atol=1e-8, rtol=0)
    assert before.abs().max() > 1e-2


def test_start_keeps_the_scale():
    torch.manual_seed(0)
    weight = CrossNet([3] * 39, embedding_dim=16).cross.layers[0].weight
    assert weight.std().item() == pytest.approx((2 / (39 * 16)) ** 0.5, rel=0.02)


def test_refuses_nonsense_when_built():
    with pytest.raises(ValueError, match="num_layers must be positive, got 0"):
        CrossNet([3], num_layers=0)
