"""CrossNet: cross layers, whose degree grows by one each (DCN V2)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.options import check_num_layers, check_positive


class CrossLayers(nn.Module):
    """The cross layers of DCN V2 on one long vector, which `CrossNet` and `DCNv2` contain.

    Each layer multiplies the input by a linear map of the state, and adds the state::

        x[0]     = inputs
        x[l + 1] = x[0] * (W[l] x[l] + b[l]) + x[l]

    Args:
        input_dim: length of the vector, F D.
        num_layers: cross layers L; the highest degree is L + 1.

    Shape:
        inputs: ``(B, input_dim)``
        returns: ``(B, input_dim)``

    Raises:
        ValueError: if a size is not positive.
    """

    def __init__(self, input_dim: int, num_layers: int) -> None:
        super().__init__()
        check_positive(input_dim=input_dim)
        check_num_layers(num_layers=num_layers)
        self.layers = nn.ModuleList(nn.Linear(input_dim, input_dim) for _ in range(num_layers))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_normal_(layer.weight, gain=math.sqrt(2))
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the last state."""
        state = inputs
        for layer in self.layers:
            state = inputs * layer(state) + state
        return state


class CrossNet(CTRModel):
    """CrossNet: the cross layers of DCN V2 alone, without a deep part.

    All fields are one vector of length F D, and every layer adds one degree::

        x[0]     = vec(vectors)
        x[l + 1] = x[0] * (W[l] x[l] + b[l]) + x[l]
        logit    = w . x[L] + c

    Source: Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for
    Web-scale Learning to Rank Systems", WWW 2021 (arXiv 2008.13535).

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        num_layers: cross layers L; the highest degree is L + 1.
        embedding_init: start of the table, see `FeatureEmbedding`.
        linear: whether a linear part is added to the logit, a weight for each id and value; None
            for no.

    Shape:
        ids: ``(B, F)`` int32 or int64
        returns: logits ``(B,)``

    Raises:
        ValueError: if a size is not positive or the name is unknown.

    Example:
        >>> import torch
        >>> model = CrossNet([10, 3], embedding_dim=4, num_layers=2)
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        num_layers: int = 3,
        embedding_init: str = "normal_1e-2",
        linear: bool | None = None,
    ) -> None:
        super().__init__(
            cardinalities,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            linear=linear,
        )
        self.cross = CrossLayers(self.num_fields * embedding_dim, num_layers)
        self.output = nn.Linear(self.num_fields * embedding_dim, 1)
        nn.init.xavier_normal_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        logits: Tensor = self.output(self.cross(vectors.flatten(1))).squeeze(1)
        return logits
