"""EulerNet against the published formulas (fixtures), and what must hold for any input."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from ctrkit.models import EulerInteractionLayer, EulerNet

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = ["eulernet_one_layer", "eulernet_two_layers_norm", "eulernet_three_layers"]


def load(name: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def model_from(golden: dict[str, torch.Tensor], **options) -> EulerNet:
    """Build the fixture's model, its weights copied in by role."""
    _, num_fields, dim = golden["embeddings"].shape
    model = EulerNet(
        [2] * num_fields,
        embedding_dim=dim,
        orders=golden["order_list"].tolist(),
        layer_norm=bool(golden["apply_norm"]),
        **options,
    ).double()
    with torch.no_grad():
        model.mu.copy_(golden["mu"])
        model.output.weight.copy_(golden["out_weight"][None])
        model.output.bias.copy_(golden["out_bias"])
        for index, layer in enumerate(model.layers):
            part = f"layer{index}."
            layer.orders.copy_(golden[part + "orders"])
            layer.implicit.weight.copy_(golden[part + "implicit_weight"])
            layer.implicit.bias.copy_(golden[part + "implicit_bias"])
            layer.bias_log_modulus.copy_(golden[part + "bias_log_modulus"])
            layer.bias_phase.copy_(golden[part + "bias_phase"])
            if layer.norm_re is not None:
                for name, norm in {"re": layer.norm_re, "im": layer.norm_im}.items():
                    norm.weight.copy_(golden[f"{part}norm_{name}_weight"])
                    norm.bias.copy_(golden[f"{part}norm_{name}_bias"])
    return model.eval()


def assert_close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_equals_the_published_formulas(name):
    golden = load(name)
    model = model_from(golden)
    vectors = golden["embeddings"].requires_grad_()
    logits = model.interact(vectors)
    loss = functional.binary_cross_entropy_with_logits(logits, golden["labels"])
    loss.backward()
    assert_close(logits, golden["logits"])
    assert_close(torch.sigmoid(logits), golden["probabilities"])
    assert_close(loss, golden["bce_loss"])
    assert_close(vectors.grad, golden["grad_embeddings"])
    assert_close(model.mu.grad, golden["grad_mu"])
    for index, layer in enumerate(model.layers):
        assert_close(layer.orders.grad, golden[f"layer{index}.grad_orders"])


@pytest.mark.parametrize("name", CASES)
def test_penalty_is_the_sum_of_unsquared_norms(name):
    golden = load(name)
    penalty = model_from(golden, reg_weight=0.25).penalty()
    assert_close(penalty, 0.25 * golden["sum_of_l2_norms"])


def test_a_dead_layer_passes_finite_gradients_on():
    torch.manual_seed(0)
    model = EulerNet([3, 3], embedding_dim=4, orders=[2, 2], layer_norm=False)
    with torch.no_grad():
        model.mu.zero_()  # every z is exactly 0
    model(torch.tensor([[0, 1], [2, 2]])).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_first_layer_learns_products_of_powers():
    """With modulus and phase (lam, theta), order a on field j gives z_j ** a."""
    layer = EulerInteractionLayer(2, 1, 3, layer_norm=False).double()
    with torch.no_grad():
        layer.orders.copy_(torch.tensor([[2.0], [1.0]]))
        for parameter in (layer.bias_log_modulus, layer.bias_phase, *layer.implicit.parameters()):
            parameter.zero_()
    z = torch.randn(5, 2, 3, dtype=torch.complex128)
    re, im = layer(z.real, z.imag)
    expected = z[:, :1] ** 2 * z[:, 1:]
    torch.testing.assert_close(torch.complex(re, im), expected, rtol=1e-6, atol=1e-6)


def test_bias_of_the_output_counts_twice():
    model = EulerNet([3], embedding_dim=2, orders=[1]).eval()
    ids = torch.tensor([[0]])
    before = model(ids)
    with torch.no_grad():
        model.output.bias += 1.0
    torch.testing.assert_close(model(ids), before + 2.0)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    model = EulerNet([50, 50], dropout_ex=0.5, dropout_im=0.5, embedding_init="xavier_normal")
    ids = torch.tensor([[1, 2]])
    assert not torch.equal(model.train()(ids), model(ids))
    assert torch.equal(model.eval()(ids), model(ids))


def test_pairs_of_orders_take_every_field_equally_often_and_every_pair():
    orders = EulerInteractionLayer(5, 20, 2, order_init="pairs").orders
    assert orders.sum(dim=0).eq(2).all()
    assert orders.sum(dim=1).eq(8).all()
    pairs = {tuple(column.nonzero().flatten().tolist()) for column in orders.t()}
    assert len(pairs) == 10


@pytest.mark.parametrize("num_inputs", [1, 2, 3])
def test_pairs_of_few_fields_are_made_of_those_fields(num_inputs):
    orders = EulerInteractionLayer(num_inputs, 7, 2, order_init="pairs").orders
    assert orders.sum(dim=0).eq(min(2, num_inputs)).all()


def test_softmax_orders_are_one_field_per_column():
    torch.manual_seed(0)
    orders = EulerInteractionLayer(5, 9, 2).orders
    torch.testing.assert_close(orders.sum(dim=0), torch.ones(9))
    assert EulerInteractionLayer(4, 4, 2).orders.equal(torch.eye(4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orders": []}, r"orders must be one positive number per layer, got \[\]"),
        ({"orders": [3, 0]}, r"orders must be one positive number per layer, got \[3, 0\]"),
        ({"dropout_ex": 1.0}, r"dropout_ex must lie in \[0, 1\), got 1.0"),
        ({"reg_weight": -1.0}, r"reg_weight must not be negative, got -1.0"),
        ({"implicit_init": "xavier"}, r"unknown implicit initialisation 'xavier'; did you mean"),
    ],
)
def test_refuses_nonsense_when_built(options, message):
    with pytest.raises(ValueError, match=message):
        EulerNet([3, 3], **options)
