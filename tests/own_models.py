"""Models of a user's own, which ctrkit does not know, with one table or two, or no vectors."""

import torch
from torch import Tensor, nn

from ctrkit.embedding import FeatureEmbedding
from ctrkit.fields import Cardinalities
from ctrkit.models import CTRModel


class FM(CTRModel):
    """Factorization machine: a weight per id, and the products of all pairs of vectors.

    Args:
        cardinalities: number of distinct ids of each field.
        embedding_dim: length of a vector.
        pair_weight: factor of the pairs.
        embedding_init: start of the vectors.
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 4,
        pair_weight: float = 1.0,
        embedding_init: str = "normal_1e-2",
    ) -> None:
        super().__init__(cardinalities, embedding_dim=embedding_dim, embedding_init=embedding_init)
        self.linear = FeatureEmbedding(cardinalities, 1, ignore_widths=True)
        self.bias = nn.Parameter(torch.zeros(()))

    def logits(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        linear = self.linear(ids, values).sum((1, 2)) + self.bias
        return linear + self.pair_weight * self.interact(self.embedding(ids, values))

    def interact(self, vectors: Tensor) -> Tensor:
        return 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(1)


class Wide(CTRModel):
    """A linear map of the vectors beside the linear part that `CTRModel` offers.

    Args:
        cardinalities: number of distinct ids of each field.
        embedding_dim: length of a vector.
        embedding_init: start of the vectors.
        linear: whether there is a weight for each id and value.
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 4,
        embedding_init: str = "normal_1e-2",
        linear: bool = True,
    ) -> None:
        super().__init__(
            cardinalities,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            linear=linear,
        )
        self.final = nn.Linear(self.num_fields * embedding_dim, 1, bias=False)

    def interact(self, vectors: Tensor) -> Tensor:
        return self.final(vectors.flatten(1)).squeeze(1)


class LR(CTRModel):
    """Logistic regression: a weight per id and nothing else."""

    def __init__(self, cardinalities: Cardinalities, *, bias: bool = True) -> None:
        super().__init__(cardinalities, embedding_dim=None)
        self.weights = FeatureEmbedding(cardinalities, 1, ignore_widths=True)
        self.bias = nn.Parameter(torch.zeros(())) if bias else None

    def logits(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        logits = self.weights(ids, values).sum((1, 2))
        return logits if self.bias is None else logits + self.bias
