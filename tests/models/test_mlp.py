"""The MLP that several models contain."""

import pytest
import torch

from ctrkit.models.mlp import ACTIVATIONS, MLP


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_is_a_chain_of_linear_layers_and_activations(activation):
    mlp = MLP(3, [4, 2], activation=activation)
    inputs = torch.randn(5, 3)
    first, second = mlp.layers
    act = getattr(torch.nn.functional, activation)
    torch.testing.assert_close(mlp(inputs), act(second(act(first(inputs)))))


def test_batch_norm_centres_and_scales_every_unit():
    torch.manual_seed(0)
    mlp = MLP(3, [4], batch_norm=True, activation="tanh")
    before = torch.atanh(mlp(10 * torch.randn(500, 3) + 7))
    torch.testing.assert_close(before.mean(0), torch.zeros(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(before.var(0), torch.ones(4), atol=0.02, rtol=0)


@pytest.mark.parametrize("rows", [0, 1])
def test_batch_norm_trains_on_a_batch_without_variance(rows):
    mlp = MLP(3, [4, 2], batch_norm=True).train()
    mlp(torch.ones(rows, 3)).sum().backward()
    assert torch.equal(mlp.norms[0].running_mean, torch.zeros(4))


def test_batch_norm_leaves_no_parameter_without_effect():
    mlp = MLP(3, [4], batch_norm=True)
    assert sum(p.numel() for p in mlp.parameters()) == 3 * 4 + 2 * 4


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    mlp = MLP(3, [50], dropout=0.5)
    inputs = torch.randn(2, 3)
    assert not torch.equal(mlp(inputs), mlp(inputs))
    assert torch.equal(mlp.eval()(inputs), mlp(inputs))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hidden_dims": []}, ValueError, r"hidden_dims must be one positive width .*, got \[\]"),
        ({"hidden_dims": [3, 0]}, ValueError, r"hidden_dims must be .*, got \[3, 0\]"),
        ({"hidden_dims": 400}, TypeError, r"hidden_dims must be a list, .*, got 400"),
        ({"dropout": 1.0}, ValueError, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"activation": "rellu"}, ValueError, r"unknown activation 'rellu'; did you mean 'relu'\?"),
    ],
)
def test_refuses_nonsense_when_built(options, error, message):
    with pytest.raises(error, match=message):
        MLP(3, **{"hidden_dims": [4], **options})
