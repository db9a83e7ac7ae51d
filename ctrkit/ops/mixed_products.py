"""All products of maps and fields, mixed into new maps: the work of a CIN's layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ctrkit.ops.tracing import KNOWS_EXPORT, is_exporting, is_tracing

PRODUCT_ROWS = {"cpu": 512}
"""Rows of products that exist at a time, by device: on a processor they should fit its cache."""

DEFAULT_ROWS = 16384


class _MixedProducts(torch.autograd.Function):
    """``maps (N, H), fields (N, F) -> (N, H')``: all products ``maps[:, i] * fields[:, j]``, mixed.

    The products ``(N, H F)`` are by far the largest thing in a CIN (7,800 numbers for every
    row and dimension at H 200, F 39) and cheap to make. So they exist for one chunk of rows at a
    time, in one buffer, and are made again in backward instead of being kept.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, fields: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        dtype = _compute_dtype(maps)
        maps, fields, weight, bias = (t.to(dtype) for t in (maps, fields, weight, bias))
        ctx.save_for_backward(maps, fields, weight)
        out = maps.new_empty(maps.shape[0], weight.shape[0])
        products = _Products(maps, fields)
        for chunk in products.chunks:
            torch.addmm(bias, products(chunk), weight.t(), out=out[chunk])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        maps, fields, weight = ctx.saved_tensors
        # A mean over many rows loses digits in bf16, so weights sum in float32 at least.
        wide = torch.promote_types(grad.dtype, torch.float32)
        grad_maps, grad_fields = torch.empty_like(maps), torch.empty_like(fields)
        grad_weight = torch.zeros_like(weight, dtype=wide)
        products = _Products(maps, fields)
        num_maps, num_fields = maps.shape[1], fields.shape[1]
        buffer = torch.empty_like(products.buffer)
        for chunk in products.chunks:
            part = grad[chunk]
            grad_weight += part.t() @ products(chunk)
            grad_products = torch.mm(part, weight, out=buffer[: part.shape[0]])
            grad_products = grad_products.view(-1, num_maps, num_fields)
            grad_maps[chunk] = (grad_products @ fields[chunk].unsqueeze(2)).squeeze(2)
            grad_fields[chunk] = (maps[chunk].unsqueeze(1) @ grad_products).squeeze(1)
        return grad_maps, grad_fields, grad_weight, grad.sum(0, dtype=wide)


class _Products:
    """The products of one chunk of rows after the other, in one buffer."""

    def __init__(self, maps: Tensor, fields: Tensor) -> None:
        self.maps, self.fields = maps, fields
        num_rows = maps.shape[0]
        size = PRODUCT_ROWS.get(maps.device.type, DEFAULT_ROWS)
        self.chunks = [slice(i, min(i + size, num_rows)) for i in range(0, num_rows, size)]
        self.buffer = maps.new_empty(min(size, num_rows), maps.shape[1] * fields.shape[1])

    def __call__(self, chunk: slice) -> Tensor:
        maps, fields = self.maps[chunk], self.fields[chunk]
        products = self.buffer[: maps.shape[0]]
        shape = (maps.shape[0], maps.shape[1], fields.shape[1])
        torch.mul(maps.unsqueeze(2), fields.unsqueeze(1), out=products.view(shape))
        return products


def _compute_dtype(tensor: Tensor) -> torch.dtype:
    """Return the type that autocast asks for on the tensor's device, or the tensor's own."""
    device = tensor.device.type
    if device != "meta" and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return tensor.dtype


def mixed_products(maps: Tensor, fields: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``sum(weight[h, i F + j] * maps[:, i] * fields[:, j]) + bias[h]``.

    Args:
        maps: ``(N, H)``.
        fields: ``(N, F)``.
        weight: ``(H', H F)``.
        bias: ``(H',)``.

    Returns:
        ``(N, H')``.
    """
    # The number of chunks would fix the number of rows. The plain form has the same gradient.
    if is_exporting() or (is_tracing() and not KNOWS_EXPORT):
        return functional.linear((maps.unsqueeze(2) * fields.unsqueeze(1)).flatten(1), weight, bias)
    return _MixedProducts.apply(  # type: ignore[no-untyped-call, no-any-return]
        maps, fields, weight, bias
    )
