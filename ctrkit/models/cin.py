"""CIN: the compressed interaction network of xDeepFM."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.ops import mixed_products
from ctrkit.options import check_layers, check_positive


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
        mixed = mixed_products(rows, base, self.mixing.weight, self.mixing.bias)
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
        linear: whether a linear part is added to the logit, a weight for each id and value; None
            for no.

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
        linear: bool | None = None,
    ) -> None:
        super().__init__(
            cardinalities,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            linear=linear,
        )
        self.cin = CINLayers(self.num_fields, num_maps)
        self.output = nn.Linear(self.cin.output_dim, 1, bias=False)
        nn.init.xavier_normal_(self.output.weight)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        logits: Tensor = self.output(self.cin(vectors)).squeeze(1)
        return logits
