"""CIN: the compressed interaction network of xDeepFM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.options import check_layers, check_positive

CHUNK_ROWS = {"cpu": 512}
"""Rows of products that exist at a time, by device: on a processor they should fit its cache."""

DEFAULT_CHUNK_ROWS = 16384


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
        size = CHUNK_ROWS.get(maps.device.type, DEFAULT_CHUNK_ROWS)
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


def _is_exporting() -> bool:
    """Return whether torch.export is tracing (before PyTorch 2.6: or torch.compile)."""
    asked = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(asked())


class CINComp(nn.Module):
    """One layer of a CIN: every map times every field, mixed into new maps.

    The mixing is a 1x1 convolution over the dimensions, without activation::

        out[h] = sum(W[h, i F + j] * (maps[i] * fields[j]) for all i, j) + b[h]

    Source: Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for
    Recommender Systems", KDD 2018 (arXiv 1803.05170).

    Args:
        num_inputs: maps H that come in.
        num_fields: fields F of the model.
        num_outputs: maps H' that come out.

    Shape:
        maps: ``(B, H, D)``
        fields: ``(B, F, D)``
        returns: ``(B, H', D)``

    Raises:
        ValueError: if a size is not positive.
    """

    def __init__(self, num_inputs: int, num_fields: int, num_outputs: int) -> None:
        super().__init__()
        check_positive(num_inputs=num_inputs, num_fields=num_fields, num_outputs=num_outputs)
        self.mixing = nn.Linear(num_inputs * num_fields, num_outputs)

    def forward(self, maps: Tensor, fields: Tensor) -> Tensor:
        """Return the new maps."""
        # Every row and dimension is a row of its own. What comes out lies as (B, D, H') in
        # memory, so the next layer's first line copies nothing.
        rows = maps.transpose(1, 2).flatten(0, 1)  # (B D, H)
        base = fields.transpose(1, 2).flatten(0, 1)  # (B D, F)
        if _is_exporting():
            # The number of chunks would fix the number of rows.
            mixed: Tensor = self.mixing((rows.unsqueeze(2) * base.unsqueeze(1)).flatten(1))
        else:
            mixed = _MixedProducts.apply(  # type: ignore[no-untyped-call]
                rows, base, self.mixing.weight, self.mixing.bias
            )
        shape = (maps.shape[0], maps.shape[2], self.mixing.out_features)
        return mixed.view(shape).transpose(1, 2)


class CINLayers(nn.Module):
    """All layers of a CIN, each pooled over the dimensions; `CIN` and `xDeepFM` contain it.

    Args:
        num_fields: fields F of the model.
        num_maps: maps of each layer.

    Shape:
        vectors: ``(B, F, D)``
        returns: ``(B, sum(num_maps))``

    Raises:
        ValueError: if there is no layer or a size is not positive.
        TypeError: if `num_maps` is one number.
    """

    def __init__(self, num_fields: int, num_maps: Sequence[int]) -> None:
        super().__init__()
        check_layers("num_maps", num_maps)
        self.output_dim = sum(num_maps)
        self.layers = nn.ModuleList(
            CINComp(num_inputs, num_fields, num_outputs)
            for num_inputs, num_outputs in zip([num_fields, *num_maps[:-1]], num_maps, strict=True)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the sums over the dimensions of all layers' maps."""
        # Laid out as (B, D, F) once, for all layers.
        fields = vectors.transpose(1, 2).contiguous().transpose(1, 2)
        maps, pooled = fields, []
        for layer in self.layers:
            maps = layer(maps, fields)
            pooled.append(maps.sum(2))
        return torch.cat(pooled, dim=1)


class CIN(CTRModel):
    """CIN: the compressed interaction network alone, without linear and deep part.

    Layer k holds maps of degree k + 1 (and lower, through the biases); its products are taken
    dimension by dimension::

        x[0]        = vectors
        x[k + 1][h] = sum(W[k][h, i F + j] * (x[k][i] * x[0][j]) for all i, j) + b[k][h]
        logit       = w . concat(sum(x[k], over D) for k = 1 ... L)

    Source: Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for
    Recommender Systems", KDD 2018 (arXiv 1803.05170). As in KD-DAGFM's teacher,
    layers have a bias, no activation and no split, and the output has no bias.

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        num_maps: feature maps of each layer.
        embedding_init: start of the table, see `FeatureEmbedding`.

    Shape:
        ids: ``(B, F)`` int32 or int64
        returns: logits ``(B,)``

    Raises:
        ValueError: if there is no layer, a size is not positive or the name is unknown.

    Example:
        >>> model = CIN([10, 3], embedding_dim=4, num_maps=[5, 2])
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        num_maps: Sequence[int] = (200, 200, 200),
        embedding_init: str = "normal_1e-2",
    ) -> None:
        super().__init__(cardinalities, embedding_dim=embedding_dim, embedding_init=embedding_init)
        self.cin = CINLayers(self.num_fields, num_maps)
        self.output = nn.Linear(self.cin.output_dim, 1, bias=False)
        nn.init.xavier_normal_(self.output.weight)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        logits: Tensor = self.output(self.cin(vectors)).squeeze(1)
        return logits
