"""xDeepFM: a linear part, a compressed interaction network and an MLP."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ctrkit.embedding import FeatureEmbedding
from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.models.cin import CINLayers
from ctrkit.models.mlp import MLP
from ctrkit.options import check_choice

LINEAR = ("vectors", "ids")


class xDeepFM(CTRModel):  # noqa: N801 - the paper's own name
    """xDeepFM: three logits added up, of degree one, of bounded degree, and of an MLP.

    ::

        logit  = linear + v . cin(vectors) + w . mlp(vec(vectors)) + c
        linear = u . vec(vectors)                                     linear="vectors"
        linear = sum(weight[ids[f], f] for f in fields)               linear="ids", as published

    Source: Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for
    Recommender Systems", KDD 2018 (arXiv 1803.05170).

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        linear: what the linear part is linear in: vectors, or ids with a weight for each.
        num_maps: feature maps of each layer of the CIN.
        hidden_dims: widths of the MLP's layers.
        dropout: share of the MLP's hidden units set to zero in training.
        batch_norm: whether the MLP's layers are normalised over the batch.
        activation: the MLP's activation, a key of `ACTIVATIONS`.
        embedding_init: start of the table, see `FeatureEmbedding`.

    Shape:
        ids: ``(B, F)`` int32 or int64
        returns: logits ``(B,)``

    Raises:
        ValueError: if a size is not positive, dropout lies outside [0, 1) or a name is unknown.

    Example:
        >>> import torch
        >>> model = xDeepFM([10, 3], embedding_dim=4, num_maps=[5, 2], hidden_dims=[8])
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        linear: str = "vectors",
        num_maps: Sequence[int] = (200, 200, 200),
        hidden_dims: Sequence[int] = (400, 400, 400),
        dropout: float = 0.0,
        batch_norm: bool = False,
        activation: str = "relu",
        embedding_init: str = "normal_1e-2",
    ) -> None:
        check_choice("linear part", linear, LINEAR)
        super().__init__(
            cardinalities,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            linear=linear == "ids",
        )
        input_dim = self.num_fields * embedding_dim
        # DIFF(paper): by default linear in the vectors, not in the ids. One table then holds all
        # there is to know of an id, which a student can take over.
        self.linear = nn.Linear(input_dim, 1) if linear == "vectors" else None
        if linear == "ids":
            assert isinstance(self.weights, FeatureEmbedding)
            self.weights.init = "normal_1e-2"
            self.weights.reset_parameters()
        self.cin = CINLayers(self.num_fields, num_maps)
        self.mlp = MLP(
            input_dim,
            hidden_dims,
            dropout=dropout,
            batch_norm=batch_norm,
            activation=activation,
        )
        self.cin_output = nn.Linear(self.cin.output_dim, 1, bias=False)
        self.mlp_output = nn.Linear(self.mlp.output_dim, 1, bias=False)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        inputs = vectors.flatten(1)
        linear = 0.0 if self.linear is None else self.linear(inputs)
        logits: Tensor = (
            linear + self.cin_output(self.cin(vectors)) + self.mlp_output(self.mlp(inputs))
        )
        return logits.squeeze(1)

    def _output_layers(self) -> list[nn.Linear]:
        layers = (self.linear, self.cin_output, self.mlp_output)
        return [layer for layer in layers if layer is not None]
