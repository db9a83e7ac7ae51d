"""CIN against the published formulas, and against the convolution it stands for."""

import importlib

import pytest
import torch
from reference import assert_close, assert_equals_fixture, copy_linear, load
from torch.nn import functional

from ctrkit.models import CIN, CINComp

module = importlib.import_module("ctrkit.ops.mixed_products")  # whose name the function has


def by_convolution(layer: CINComp, maps: torch.Tensor, fields: torch.Tensor) -> torch.Tensor:
    products = torch.einsum("bhd,bfd->bhfd", maps, fields).flatten(1, 2)
    return functional.conv1d(products, layer.mixing.weight.unsqueeze(2), layer.mixing.bias)


@pytest.fixture(params=[3, 512])
def chunk_rows(request, monkeypatch) -> int:
    """Several chunks with a rest, and one chunk for all."""
    monkeypatch.setitem(module.PRODUCT_ROWS, "cpu", request.param)
    return request.param


def test_equals_the_published_formulas(chunk_rows):
    golden = load("cin")
    model = CIN([2] * 7, embedding_dim=5, num_maps=[6, 5, 4]).double().eval()
    for index, layer in enumerate(model.cin.layers):
        copy_linear(layer.mixing, golden[f"layer{index}.weight"], golden[f"layer{index}.bias"])
    copy_linear(model.output, golden["out_weight"], None)
    assert_equals_fixture(model, golden)


def test_a_layer_is_a_convolution_over_the_products(chunk_rows):
    torch.manual_seed(0)
    layer = CINComp(4, 3, 5).double()
    maps = torch.randn(7, 4, 6, dtype=torch.float64, requires_grad=True)
    fields = torch.randn(7, 3, 6, dtype=torch.float64, requires_grad=True)
    inputs = [maps, fields, layer.mixing.weight, layer.mixing.bias]
    found, expected = layer(maps, fields), by_convolution(layer, maps, fields)
    assert_close(found, expected)
    upstream = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        assert_close(ours, theirs)


def test_gradients_are_exact(chunk_rows):
    torch.manual_seed(0)
    layer = CINComp(2, 3, 2).double()
    maps = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    fields = torch.randn(3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (maps, fields))


def test_products_are_not_kept_for_backward():
    rows, num_maps, num_fields, dim = 64, 50, 20, 8
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    model = CIN([3] * num_fields, embedding_dim=dim, num_maps=[num_maps] * 3)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.zeros(rows, num_fields, dtype=torch.int64))
    weights = sum(p.numel() for p in model.cin.parameters())
    assert sum(kept) - weights < rows * dim * num_maps * num_fields / 2


def test_bf16_autocast_trains_every_weight_in_float32():
    torch.manual_seed(0)
    model = CIN([3, 3], embedding_dim=4, num_maps=[5, 2], embedding_init="xavier_normal")
    ids = torch.tensor([[0, 1], [2, 2]])
    exact = torch.autograd.grad(model(ids).sum(), list(model.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        rough = torch.autograd.grad(model(ids).float().sum(), list(model.parameters()))
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0.1, atol=0.05)


@pytest.mark.parametrize(
    ("num_maps", "error", "message"),
    [
        ([], ValueError, r"num_maps must be one positive number per layer, got \[\]"),
        ([3, 0], ValueError, r"num_maps must be one positive number per layer, got \[3, 0\]"),
        (200, TypeError, r"num_maps must be a list, one number per layer, got 200"),
    ],
)
def test_refuses_nonsense_when_built(num_maps, error, message):
    with pytest.raises(error, match=message):
        CIN([3, 3], num_maps=num_maps)
