"""CTRModel: what every model is, an embedding and an interaction."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ctrkit.embedding import FeatureEmbedding
from ctrkit.fields import Cardinalities


class Batch(NamedTuple):
    """Rows of one optimizer step: ids ``(B, S)``, labels ``(B,)`` float, values ``(B, V)``.

    ``targets`` ``(B,)`` is what a loss other than the model's own compares the logits with: in
    distillation, the teacher's logits.
    """

    ids: Tensor
    labels: Tensor
    values: Tensor | None = None
    targets: Tensor | None = None

    def split(self, rows: int) -> list[Batch]:
        """Return the batch in parts of `rows` rows, fewer in the last."""
        parts = [
            None if tensor is None else tensor.split(rows)
            for tensor in (self.ids, self.labels, self.values, self.targets)
        ]
        return [
            Batch(*(None if part is None else part[i] for part in parts))  # type: ignore[arg-type]
            for i in range(len(self.labels.split(rows)))
        ]


class CTRModel(nn.Module, ABC):
    """A click-through-rate model: ``ids -> FeatureEmbedding -> vectors -> interaction -> logits``.

    Abstract. A model adds its layers and `interact`; `forward`, `predict` and `calculate_loss`
    are the same for all. Every keyword of a model's constructor is kept as an attribute of the
    same name, so that `options` can rebuild it.

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        embedding_init: name of the table's initialisation, see `FeatureEmbedding`.

    Shape:
        ids: ``(B, S)`` int32 or int64, S == F unless a field is multi-valued
        values: ``(B, V)`` float, or None
        returns: logits ``(B,)``, for B = 0 and 1 as well
    """

    def __init__(
        self, cardinalities: Cardinalities, *, embedding_dim: int, embedding_init: str
    ) -> None:
        super().__init__()
        self.embedding = FeatureEmbedding(cardinalities, embedding_dim, init=embedding_init)
        self.cardinalities = tuple(cardinalities)
        self.embedding_dim = embedding_dim
        self.embedding_init = embedding_init

    @property
    def num_fields(self) -> int:
        """Number of fields F."""
        return self.embedding.num_fields

    @abstractmethod
    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""

    def penalty(self) -> Tensor | None:
        """Return the model's own addition to the loss, a scalar, or None where it has none."""
        return None

    def with_penalty(self, loss: Tensor) -> Tensor:
        """Return a loss with the model's own addition to it."""
        penalty = self.penalty()
        return loss if penalty is None else loss + penalty

    def forward(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Return logits ``(B,)``."""
        return self.interact(self.embedding(ids, values))

    def predict(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Return click probabilities ``(B,)``, ``sigmoid(forward(ids, values))``."""
        return torch.sigmoid(self(ids, values))

    def calculate_loss(self, batch: Batch) -> Tensor:
        """Return the mean loss per row, in nats: BCE of the logits, plus the model's penalty."""
        logits = self(batch.ids, batch.values)
        logits = widened(logits)
        loss = functional.binary_cross_entropy_with_logits(logits, batch.labels.to(logits))
        return self.with_penalty(loss)

    def options(self) -> dict[str, Any]:
        """Return the keywords that build this model again: ``type(m)(m.cardinalities, **...)``."""
        keywords = list(inspect.signature(type(self)).parameters)[1:]
        return {name: getattr(self, name) for name in keywords}


def widened(logits: Tensor) -> Tensor:
    """Return half-precision logits, as autocast makes them, as float32; a loss needs that."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
