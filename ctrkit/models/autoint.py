"""AutoInt+: interactions by self-attention among the fields, and an MLP."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.models.mlp import MLP
from ctrkit.options import check_num_layers, check_positive


class FieldAttention(nn.Module):
    """One interacting layer: every field gathers from all fields, head by head.

    ::

        weights[m, k] = softmax((W_query x[m]) . (W_key x[k]), over k)      for each head
        gathered[m]   = concat(sum(weights[m, k] W_value x[k]), over the heads)
        output[m]     = relu(gathered[m] + W_residual x[m])

    Args:
        input_dim: length of a field vector that comes in.
        num_heads: attention heads.
        head_dim: length of one head's part of a field vector.

    Shape:
        vectors: ``(B, F, input_dim)``
        returns: ``(B, F, num_heads * head_dim)``

    Raises:
        ValueError: if a size is not positive.
    """

    def __init__(self, input_dim: int, num_heads: int, head_dim: int) -> None:
        super().__init__()
        check_positive(input_dim=input_dim, num_heads=num_heads, head_dim=head_dim)
        self.num_heads = num_heads
        self.head_dim = head_dim
        # Query, key, value and residual of all heads in one product, without biases.
        self.projection = nn.Linear(input_dim, 4 * num_heads * head_dim, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the new field vectors."""
        parts = self.projection(vectors).unflatten(2, (4, self.num_heads, self.head_dim))
        query, key, value, residual = parts.unbind(2)  # (B, F, heads, head_dim)
        # The paper does not divide by the square root of the length.
        gathered = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), scale=1.0
        )
        return functional.relu(gathered.transpose(1, 2) + residual).flatten(2)


class AutoIntPlus(CTRModel):
    """AutoInt+: self-attention among the fields, and an MLP, their logits added.

    ::

        x[l + 1] = attention[l](x[l]),  x[0] = vectors
        logit    = u . vec(x[L]) + w . mlp(vec(vectors)) + c

    Source: Song et al., "AutoInt: Automatic Feature Interaction Learning via Self-Attentive
    Neural Networks", CIKM 2019 (arXiv 1810.11921).

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        num_layers: interacting layers L.
        num_heads: attention heads of each layer.
        head_dim: length of one head's part of a field vector.
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
        >>> import torch
        >>> model = AutoIntPlus([10, 3], embedding_dim=4, num_layers=1, hidden_dims=[8])
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        num_layers: int = 3,
        num_heads: int = 2,
        head_dim: int = 32,
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
        check_positive(num_heads=num_heads, head_dim=head_dim)
        check_num_layers(num_layers=num_layers)
        output_dim = num_heads * head_dim
        self.attention = nn.Sequential(
            *(
                FieldAttention(embedding_dim if layer == 0 else output_dim, num_heads, head_dim)
                for layer in range(num_layers)
            )
        )
        self.mlp = MLP(
            self.num_fields * embedding_dim,
            hidden_dims,
            dropout=dropout,
            batch_norm=batch_norm,
            activation=activation,
        )
        self.attention_output = nn.Linear(self.num_fields * output_dim, 1)
        self.mlp_output = nn.Linear(self.mlp.output_dim, 1, bias=False)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        logits: Tensor = self.attention_output(
            self.attention(vectors).flatten(1)
        ) + self.mlp_output(self.mlp(vectors.flatten(1)))
        return logits.squeeze(1)

    def _output_layers(self) -> list[nn.Linear]:
        return [self.attention_output, self.mlp_output]
