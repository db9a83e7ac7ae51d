"""Blueprints: models without numbers, made before any memory is taken."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from ctrkit.models import MODELS, CTRModel, build_model
from ctrkit.models.catalog import blueprint

CARDINALITIES = [5, 3, 7, 4]


@pytest.mark.parametrize("name", MODELS)
def test_it_has_the_weights_of_the_model(name):
    planned = blueprint(name, CARDINALITIES, {"embedding_dim": 4}, where="x.toml").state_dict()
    built = build_model(name, CARDINALITIES, {"embedding_dim": 4}, where="x.toml").state_dict()
    assert {key: (value.shape, value.dtype) for key, value in planned.items()} == {
        key: (value.shape, value.dtype) for key, value in built.items()
    }
    assert all(value.is_meta for value in planned.values())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("embedding_dim", "message"),
    [
        (10**12, r"x\.toml: the model must fit a machine, but its sizes are too large"),
        (10**25, r"embedding_dim must be at most 9223372036854775807, got 10"),
    ],
)
def test_sizes_beyond_counting_are_refused(name, embedding_dim, message):
    with pytest.raises(ValueError, match=message):
        blueprint(name, [10**12, 3], {"embedding_dim": embedding_dim}, where="x.toml")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("crossnet", {"num_layers": 10**9}, "num_layers must be at most 1000, got 1000000000"),
        ("autoint_plus", {"num_layers": 1001}, "num_layers must be at most 1000, got 1001"),
        ("dagfm", {"depth": 10**9}, "depth must be at most 1000, got 1000000000"),
        ("cin", {"num_maps": [1] * 1001}, "num_maps must be for at most 1000 layers, got 1001"),
    ],
)
def test_layers_without_end_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        blueprint(name, CARDINALITIES, options, where="x.toml")


def test_it_does_not_wake_the_compiler():
    """Its import takes seconds, which every ``ctrkit predict`` would wait for."""
    code = (
        "import sys\n"
        "from ctrkit.models import MODELS\n"
        "from ctrkit.models.catalog import blueprint\n"
        "for name in MODELS: blueprint(name, [3, 4], {}, where='x')\n"
        "for start in ('pairs', 'softmax'):\n"
        "    options = {'orders': [7, 3], 'order_init': start}\n"
        "    blueprint('eulernet', [3, 4], options, where='x')\n"
        "assert not {'torch._dynamo', 'sympy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


class Computing(CTRModel):
    """Computes in its constructor what no list of operations would name."""

    def __init__(self, cardinalities, *, embedding_dim: int = 3) -> None:
        super().__init__(cardinalities, embedding_dim=embedding_dim)
        rows = torch.randn(embedding_dim, 1) * torch.rand(embedding_dim + 2)  # broadcast
        self.weight = nn.Parameter(torch.cat([rows, rows / 2 + torch.arange(3).view(3, 1)]))
        self.bias = nn.Parameter(nn.init.orthogonal_(torch.empty(4, 4)).t_()[:3].unsqueeze_(0))
        self.register_buffer("pairs", torch.triu_indices(5, 5, 1).add_(1))
        self.register_buffer("mask", torch.from_numpy(np.ones(7, np.float32)))
        nn.init.trunc_normal_(self.weight).requires_grad_(False)
        self.rank = torch.empty(3, 4).unsqueeze_(2).transpose_(0, 2).shape

    def interact(self, vectors):
        return vectors.sum((1, 2))


def test_what_a_constructor_computes_has_the_right_shapes():
    planned = blueprint(Computing, CARDINALITIES, {}, where="x")
    built = Computing(CARDINALITIES)
    assert planned.rank == built.rank
    assert not planned.weight.requires_grad
    theirs, ours = planned.state_dict(), built.state_dict()
    assert {key: (value.shape, value.dtype) for key, value in theirs.items()} == {
        key: (value.shape, value.dtype) for key, value in ours.items()
    }
    assert all(value.is_meta for value in theirs.values())
