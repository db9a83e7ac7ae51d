"""DCNv2: cross layers and an MLP, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.models.crossnet import CrossLayers
from ctrkit.models.mlp import MLP


class DCNv2(CTRModel):
    """DCN V2 in its parallel form: cross layers and an MLP read the same vectors.

    ::

        x     = vec(vectors)
        logit = w . concat(cross(x), mlp(x)) + c

    Source: Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for
    Web-scale Learning to Rank Systems", WWW 2021 (arXiv 2008.13535).

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        num_layers: cross layers L; the highest degree is L + 1.
        hidden_dims: widths of the MLP's layers.
        dropout: share of the MLP's hidden units set to zero in training.
        batch_norm: whether the MLP's layers are normalised over the batch.
        activation: the MLP's activation, a key of `ACTIVATIONS`.
        embedding_init: start of the table, see `FeatureEmbedding`.
        linear: whether a linear part is added to the logit, a weight for each id and value; None
            for no.

    Shape:
        ids: ``(B, F)`` int32 or int64
        returns: logits ``(B,)``

    Raises:
        ValueError: if a size is not positive, dropout lies outside [0, 1) or a name is unknown.

    Example:
        >>> model = DCNv2([10, 3], embedding_dim=4, num_layers=2, hidden_dims=[8])
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        num_layers: int = 3,
        hidden_dims: Sequence[int] = (400, 400, 400),
        dropout: float = 0.0,
        batch_norm: bool = False,
        activation: str = "relu",
        embedding_init: str = "normal_1e-2",
        linear: bool | None = None,
    ) -> None:
        super().__init__(
            cardinalities,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            linear=linear,
        )
        input_dim = self.num_fields * embedding_dim
        self.cross = CrossLayers(input_dim, num_layers)
        self.mlp = MLP(
            input_dim,
            hidden_dims,
            dropout=dropout,
            batch_norm=batch_norm,
            activation=activation,
        )
        self.output = nn.Linear(input_dim + self.mlp.output_dim, 1)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        inputs = vectors.flatten(1)
        both = torch.cat([self.cross(inputs), self.mlp(inputs)], dim=1)
        logits: Tensor = self.output(both).squeeze(1)
        return logits
