"""Elementwise parts of an Euler interaction layer, each with its own short gradient.

All take and return states ``(F, D, 2, B)``: real and imaginary part, or log modulus and phase,
side by side in the third dimension, and the rows last. PyTorch would keep the input and output
of every operation for its gradient; these keep what their gradient needs. Halves of a state are
written by operations in place: torch.compile refuses ``out=`` of a tensor that is not contiguous.
torch.export gets the plain formulas: it fixes the number of rows in the others.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ctrkit.ops.tracing import is_exporting

EPSILON = 1e-8
"""Added to the squared modulus before its logarithm (SIGIR 2023, released code)."""


class _OnCircles(torch.autograd.Function):
    """``(angles, radii) -> (radius cos(angle), radius sin(angle))``."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, radii: Tensor) -> Tensor:
        radii = radii[:, None, None, None]
        on_unit = angles.new_empty(*angles.shape[:2], 2, angles.shape[2])
        cosine, sine = on_unit.unbind(2)
        cosine.copy_(angles).cos_()
        sine.copy_(angles).sin_()
        ctx.save_for_backward(on_unit, radii)
        return on_unit * radii

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        on_unit, radii = ctx.saved_tensors
        cosine, sine = on_unit.unbind(2)
        grad_radii = (grad * on_unit).sum((1, 2, 3))
        grad_re, grad_im = grad.unbind(2)
        grad_angles = (grad_im * cosine).addcmul_(grad_re, sine, value=-1)
        return grad_angles.mul_(radii.squeeze(3)), grad_radii


class _Polar(torch.autograd.Function):
    """``(re, im) -> (log modulus, phase)``, with gradients that stay finite at the origin.

    DIFF(official): the phase's gradient is 1 / |z|, and atan2's own gives NaN at 0. Here |z|^2 is
    not taken below `EPSILON` in it, so no gradient exceeds 1 / sqrt(EPSILON) = 1e4 times its input.
    """

    @staticmethod
    def forward(ctx: Any, state: Tensor) -> Tensor:
        re, im = state.unbind(2)
        square = (re * re).addcmul_(im, im)
        ctx.save_for_backward(state, square)
        out = torch.empty_like(state)
        log_modulus, phase = out.unbind(2)
        log_modulus.copy_(square).add_(EPSILON).log_().mul_(0.5)
        phase.copy_(im).atan2_(re)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        state, square = ctx.saved_tensors
        re, im = state.unbind(2)
        grad_log_modulus, grad_phase = grad.unbind(2)
        radial = grad_log_modulus / (square + EPSILON)
        angular = grad_phase / square.clamp_min(EPSILON)
        out = torch.empty_like(state)
        grad_re, grad_im = out.unbind(2)
        grad_re.copy_(radial).mul_(re).addcmul_(angular, im, value=-1)
        grad_im.copy_(radial).mul_(im).addcmul_(angular, re)
        return out


class _Rectangular(torch.autograd.Function):
    """``(log modulus, phase) -> (re, im)``; the gradient is made of the outputs alone."""

    @staticmethod
    def forward(ctx: Any, state: Tensor) -> Tensor:
        log_modulus, phase = state.unbind(2)
        modulus = log_modulus.exp()
        out = torch.empty_like(state)
        re, im = out.unbind(2)
        re.copy_(phase).cos_().mul_(modulus)
        im.copy_(phase).sin_().mul_(modulus)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (state,) = ctx.saved_tensors
        re, im = state.unbind(2)
        grad_re, grad_im = grad.unbind(2)
        out = torch.empty_like(state)
        grad_log_modulus, grad_phase = out.unbind(2)
        grad_log_modulus.copy_(grad_re).mul_(re).addcmul_(grad_im, im)
        grad_phase.copy_(grad_im).mul_(re).addcmul_(grad_re, im, value=-1)
        return out


class _Normalised(torch.autograd.Function):
    """LayerNorm over the second dimension, which PyTorch's own norms only over the last."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        centred = state - state.mean(1, keepdim=True)
        rate = (centred * centred).mean(1, keepdim=True).add_(epsilon).rsqrt_()
        standard = centred.mul_(rate)
        scale, shift = scale.unsqueeze(2), shift.unsqueeze(2)
        ctx.save_for_backward(standard, rate, scale)
        # Not addcmul: with two operands that are broadcast it takes four times as long.
        return (standard * scale).add_(shift)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        standard, rate, scale = ctx.saved_tensors
        projected = grad * standard
        grad_scale, grad_shift = projected.sum((0, 3)), grad.sum((0, 3))
        projection = projected.mul_(scale).mean(1, keepdim=True)
        out = grad * scale
        out -= out.mean(1, keepdim=True)
        out.addcmul_(standard, projection, value=-1).mul_(rate)
        return out, grad_scale, grad_shift, None


def on_circles(angles: Tensor, radii: Tensor) -> Tensor:
    """Return the points with `angles` ``(F, D, B)`` on circles of `radii` ``(F,)`` around 0."""
    if is_exporting():
        return torch.stack([angles.cos(), angles.sin()], dim=2) * radii[:, None, None, None]
    return _OnCircles.apply(angles, radii)  # type: ignore[no-untyped-call, no-any-return]


def polar_on_circles(angles: Tensor, radii: Tensor) -> Tensor:
    """Return ``polar(on_circles(angles, radii))``, without a logarithm or arctangent per point.

    The modulus is the circle's, and the phase the angle, wrapped to [-pi, pi]. The phase of a point
    on a circle of radius 0, which the formula leaves to the sign of zeros, is its angle here.
    """
    log_modulus = 0.5 * torch.log(radii * radii + EPSILON)
    angles = angles + (radii < 0).to(angles.dtype)[:, None, None] * math.pi
    turns = torch.round(angles.detach() / (2 * math.pi))
    phase = angles - 2 * math.pi * turns
    return torch.stack([log_modulus[:, None, None].expand_as(phase), phase], dim=2)


def polar(state: Tensor) -> Tensor:
    """Return ``0.5 log(re^2 + im^2 + 1e-8)`` and ``atan2(im, re)`` of ``(re, im)``."""
    if is_exporting():
        re, im = state.unbind(2)
        return torch.stack([0.5 * torch.log(re * re + im * im + EPSILON), im.atan2(re)], dim=2)
    return _Polar.apply(state)  # type: ignore[no-untyped-call, no-any-return]


def rectangular(state: Tensor) -> Tensor:
    """Return ``exp(lam) cos(theta)`` and ``exp(lam) sin(theta)`` of ``(lam, theta)``."""
    if is_exporting():
        modulus, phase = state[:, :, 0].exp(), state[:, :, 1]
        return torch.stack([phase.cos() * modulus, phase.sin() * modulus], dim=2)
    return _Rectangular.apply(state)  # type: ignore[no-untyped-call, no-any-return]


def normalised(state: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """Return a LayerNorm over D, with ``scale`` and ``shift`` ``(D, 2)`` for the two parts."""
    if is_exporting():
        centred = state - state.mean(1, keepdim=True)
        variance = (centred * centred).mean(1, keepdim=True)
        standard = centred * torch.rsqrt(variance + epsilon)
        return standard * scale.unsqueeze(2) + shift.unsqueeze(2)
    return _Normalised.apply(state, scale, shift, epsilon)  # type: ignore[no-untyped-call, no-any-return]
