"""Dropout with 16-bit random numbers."""

import pytest
import torch

from ctrkit.ops.dropout import dropout


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_drops_its_share_and_keeps_the_mean(share, dtype):
    torch.manual_seed(0)
    dropped = dropout(torch.ones(400, 1001, dtype=dtype), share, training=True)
    assert dropped.dtype == dtype
    is_zero = dropped.eq(0).double()
    # Five standard errors of a share of 400,400 draws.
    assert abs(float(is_zero.mean()) - share) < 5 * (share * (1 - share) / 400_400) ** 0.5
    assert float(dropped.max()) == pytest.approx(1 / (1 - share), rel=1e-2)


def test_every_place_is_dropped_alike_and_apart_from_its_neighbours():
    """Four entries share one random number: none may depend on its place in it or the others."""
    torch.manual_seed(0)
    zero = dropout(torch.ones(100_000, 4), 0.3, training=True).eq(0).double()
    assert (zero.mean(0) - 0.3).abs().max() < 5 * (0.3 * 0.7 / 100_000) ** 0.5
    correlation = torch.corrcoef(zero.t()) - torch.eye(4)
    assert correlation.abs().max() < 5 / 100_000**0.5


def test_the_gradient_passes_where_the_entry_did():
    torch.manual_seed(0)
    x = torch.randn(7, 9).requires_grad_()
    out = dropout(x, 0.4, training=True)
    out.sum().backward()
    torch.testing.assert_close(out, x * x.grad)


def test_the_seed_decides():
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dropout(torch.ones(64), 0.5, training=True))
    assert draws[0].equal(draws[1])
    assert not draws[0].equal(draws[2])


@pytest.mark.parametrize(("share", "training"), [(0.5, False), (0.0, True), (1e-6, True)])
def test_nothing_to_drop_is_the_tensor_itself(share, training):
    x = torch.ones(3)
    assert dropout(x, share, training) is x


def test_a_strided_tensor_and_an_empty_one():
    torch.manual_seed(0)
    x = torch.ones(6, 10).t()[::2]
    assert set(dropout(x, 0.5, training=True).unique().tolist()) == {0.0, 2.0}
    assert dropout(torch.ones(0, 3), 0.5, training=True).shape == (0, 3)
