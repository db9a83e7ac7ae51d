"""DCNv2, xDeepFM and AutoInt+ against their equations, written the slow way."""

import pytest
import torch
from reference import assert_close
from torch import Tensor

from ctrkit.models import AutoIntPlus, DCNv2, xDeepFM
from ctrkit.models.autoint import FieldAttention

CARDINALITIES = [5, 3, 7]


@pytest.fixture
def vectors() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 3, 4, dtype=torch.float64, generator=generator)


def test_dcnv2_reads_cross_layers_and_mlp_side_by_side(vectors):
    torch.manual_seed(0)
    model = DCNv2(CARDINALITIES, embedding_dim=4, num_layers=2, hidden_dims=[5]).double()
    inputs = state = vectors.flatten(1)
    for layer in model.cross.layers:
        state = inputs * (state @ layer.weight.t() + layer.bias) + state
    hidden = torch.relu(model.mlp.layers[0](inputs))
    weight = model.output.weight[0]
    expected = state @ weight[:12] + hidden @ weight[12:] + model.output.bias
    assert_close(model.interact(vectors), expected)


def test_xdeepfm_adds_three_logits(vectors):
    torch.manual_seed(0)
    model = xDeepFM(CARDINALITIES, embedding_dim=4, num_maps=[3, 2], hidden_dims=[5]).double()
    inputs, maps, pooled = vectors.flatten(1), vectors, []
    for layer in model.cin.layers:
        products = torch.einsum("bid,bjd->bijd", maps, vectors).flatten(1, 2)
        maps = torch.einsum("hk,bkd->bhd", layer.mixing.weight, products)
        maps = maps + layer.mixing.bias[:, None]
        pooled.append(maps.sum(2))
    expected = model.linear(inputs) + model.cin_output(torch.cat(pooled, dim=1))
    expected = expected + model.mlp_output(torch.relu(model.mlp.layers[0](inputs)))
    assert_close(model.interact(vectors), expected.squeeze(1))


def test_attention_is_the_papers_equation(vectors):
    torch.manual_seed(0)
    layer = FieldAttention(4, num_heads=2, head_dim=3).double()
    query, key, value, residual = layer.projection.weight.view(4, 2, 3, 4)
    gathered = []
    for head in range(2):
        x, y, z = (vectors @ w[head].t() for w in (query, key, value))
        gathered.append(torch.softmax(x @ y.transpose(1, 2), dim=2) @ z)
    expected = torch.relu(torch.cat(gathered, dim=2) + vectors @ residual.reshape(6, 4).t())
    assert_close(layer(vectors), expected)


def test_attention_does_not_depend_on_the_order_of_fields(vectors):
    layer = FieldAttention(4, num_heads=2, head_dim=3).double()
    assert_close(layer(vectors.flip(1)), layer(vectors).flip(1))


def test_autoint_plus_adds_the_mlps_logit(vectors):
    torch.manual_seed(0)
    model = AutoIntPlus(CARDINALITIES, embedding_dim=4, num_layers=2, hidden_dims=[5]).double()
    attended = model.attention[1](model.attention[0](vectors)).flatten(1)
    hidden = torch.relu(model.mlp.layers[0](vectors.flatten(1)))
    expected = model.attention_output(attended) + model.mlp_output(hidden)
    assert_close(model.interact(vectors), expected.squeeze(1))


@pytest.mark.parametrize("option", ["num_layers", "num_heads", "head_dim"])
def test_autoint_plus_refuses_nonsense_when_built(option):
    with pytest.raises(ValueError, match=f"{option} must be positive, got 0"):
        AutoIntPlus(CARDINALITIES, **{option: 0})


def test_xdeepfm_can_have_the_papers_weight_per_id(vectors):
    torch.manual_seed(0)
    model = xDeepFM(CARDINALITIES, embedding_dim=4, linear="ids", num_maps=[3], hidden_dims=[5])
    ids = torch.tensor([[0, 0, 0], [4, 2, 6], [4, 1, 0]])
    weights, offsets = model.weights.tables[0][:, 0], torch.tensor([0, 5, 8])
    rest = model.interact(model.embedding(ids))
    assert_close(model(ids), weights[ids + offsets].sum(1) + model.bias + rest)
    names = model.state_dict().keys()
    assert not [name for name in names if name.startswith("linear")]
    assert not xDeepFM(CARDINALITIES).state_dict().keys() & {"bias", "weights.tables.0"}


def test_xdeepfm_refuses_an_unknown_linear_part():
    with pytest.raises(ValueError, match="unknown linear part 'id'; did you mean 'ids'"):
        xDeepFM(CARDINALITIES, linear="id")
