"""The elementwise parts of an Euler layer, and their gradients."""

import pytest
import torch
from torch.nn import functional

from ctrkit.ops.complex_plane import normalised, on_circles, polar, polar_on_circles, rectangular


@pytest.fixture
def state() -> torch.Tensor:
    """Return a state ``(F 2, D 3, 2, B 5)``."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 2, 5, dtype=torch.float64, generator=generator).requires_grad_()


def test_polar_and_back_is_the_same_point(state):
    torch.testing.assert_close(rectangular(polar(state)), state, rtol=1e-6, atol=1e-6)


def test_polar_is_modulus_and_phase(state):
    z = torch.complex(*state.unbind(2))
    log_modulus, phase = polar(state).unbind(2)
    torch.testing.assert_close(log_modulus.exp(), z.abs(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(phase, z.angle())


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e-12, 1e-6, -1e-9])
def test_gradients_are_finite_at_and_near_the_origin(value):
    im = torch.tensor([0.0, value, -value, 2 * value], dtype=torch.float64)
    state = torch.stack([torch.full_like(im, value), im]).view(1, 1, 2, 4).requires_grad_()
    polar(state).sum().backward()
    assert torch.isfinite(state.grad).all()
    assert state.grad.abs().max() <= 2e4


@pytest.mark.parametrize("function", [polar, rectangular])
def test_gradients_are_exact_away_from_the_origin(function, state):
    assert torch.autograd.gradcheck(function, (state,), atol=1e-6)


def test_points_on_circles_and_their_polar_form():
    generator = torch.Generator().manual_seed(0)
    angles = 9 * torch.randn(3, 4, 50, dtype=torch.float64, generator=generator)  # many turns
    angles.requires_grad_()
    radii = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64, requires_grad=True)
    state = on_circles(angles, radii)
    re, im = state.unbind(2)
    torch.testing.assert_close(re, radii[:, None, None] * angles.cos())
    torch.testing.assert_close(im, radii[:, None, None] * angles.sin())
    torch.testing.assert_close(polar_on_circles(angles, radii), polar(state))
    assert torch.autograd.gradcheck(on_circles, (angles[:, :, :3], radii))
    assert torch.autograd.gradcheck(polar_on_circles, (angles[:, :, :3], radii))


def test_gradients_through_the_known_polar_form_are_those_through_the_points():
    angles = torch.tensor([[[0.3, -2.0, 4.0]]], dtype=torch.float64, requires_grad=True)
    radii = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]], dtype=torch.float64)
    known = torch.autograd.grad((polar_on_circles(angles, radii) * weights).sum(), (angles, radii))
    found = torch.autograd.grad((polar(on_circles(angles, radii)) * weights).sum(), (angles, radii))
    torch.testing.assert_close(known, found, rtol=1e-6, atol=1e-6)


def test_a_norm_is_that_of_each_part_over_the_dimensions(state):
    scale = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    out = normalised(state, scale, shift, 1e-5)
    for part in range(2):
        expected = functional.layer_norm(
            state[:, :, part].transpose(1, 2), (3,), scale[:, part], shift[:, part]
        )
        torch.testing.assert_close(out[:, :, part].transpose(1, 2), expected)
    assert torch.autograd.gradcheck(normalised, (state, scale, shift, 1e-5))


def test_states_of_any_layout_give_the_same(state):
    other = state.detach().permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0).requires_grad_()
    for function in (polar, rectangular):
        torch.testing.assert_close(function(other), function(state))
        function(other).square().sum().backward()
        function(state).square().sum().backward()
    torch.testing.assert_close(other.grad, state.grad)
