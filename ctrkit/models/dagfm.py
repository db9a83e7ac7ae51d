"""DAGFM: feature interactions as message passing along a directed acyclic graph of fields."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.models.mlp import MLP
from ctrkit.ops import is_tracing
from ctrkit.options import check_choice, check_num_layers, check_positive

INTERACTIONS = ("inner", "outer", "kernel")

NUM_BLOCKS = 3
"""Column blocks of a triangular product: three leave out two thirds of its zeros, and are still
large enough to run at full speed."""

OUTER_ROWS = {"cpu": 256}
"""Rows whose messages exist at a time, by device. An outer interaction makes F^2 numbers for every
row and round: with 512 rows they leave the processor's cache, and it scores at two thirds the speed
(python -m benchmarks score)."""


class DAGPropagation(nn.Module):
    """The message passing of DAGFM, which `DAGFM` and `DAGFMPlus` contain.

    Fields are nodes; an edge runs from field ``f`` to field ``s`` when ``f <= s``. In each round
    every node multiplies its first vector by the sum of its incoming messages::

        h[0]        = mixing @ vectors
        inner:  a[s] = sum(h[l][f] * p[l][f, s]                    for f <= s)
        outer:  a[s] = sum((h[l][f] . p[l][f, s]) * q[l][f, s]     for f <= s)
        kernel: a[s] = sum(h[l][f] @ kernel[l][f, s]               for f <= s)
        h[l + 1][s] = h[0][s] * a[s]

    After ``l`` rounds node ``s`` holds the products of ``l + 1`` fields that end in it, each
    counted once: the states of a dynamic programme over the paths of the graph.

    Source: Tian et al., "Directed Acyclic Graph Factorization Machines for CTR Prediction via
    Knowledge Distillation", WSDM 2023 (arXiv 2211.11159).

    Args:
        num_fields: fields F, the nodes.
        embedding_dim: length D of a field vector.
        interaction: what an edge does to a vector: inner, outer or kernel.
        depth: rounds of message passing; the highest degree is depth + 1.

    Shape:
        vectors: ``(B, F, D)``
        returns: a list of ``depth + 1`` states ``(B, F, D)``, the first of degree 1

    Raises:
        ValueError: if a size is not positive or the interaction is unknown.
    """

    edges: Tensor

    def __init__(
        self, num_fields: int, embedding_dim: int, *, interaction: str, depth: int
    ) -> None:
        super().__init__()
        check_choice("interaction", interaction, INTERACTIONS)
        check_positive(num_fields=num_fields, embedding_dim=embedding_dim)
        check_num_layers(depth=depth)
        self.num_fields = num_fields
        self.embedding_dim = embedding_dim
        self.interaction = interaction
        # DIFF(official): a buffer, so that it follows the model to another device, and weights
        # that exist for the edges alone. The authors' code keeps all F x F and masks half of them
        # with a plain tensor on whatever GPU it finds.
        self.register_buffer("edges", _edges(num_fields), persistent=False)
        shape = [len(self.edges), embedding_dim]
        if interaction == "kernel":
            shape.append(embedding_dim)
        self.mixing = nn.Parameter(torch.empty(num_fields, num_fields))
        self.p = nn.ParameterList()
        self.q = nn.ParameterList()
        self.kernel = nn.ParameterList()
        for weights in {"inner": [self.p], "outer": [self.p, self.q], "kernel": [self.kernel]}[
            interaction
        ]:
            weights.extend(nn.Parameter(torch.empty(shape)) for _ in range(depth))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        nn.init.eye_(self.mixing)
        # Xavier normal with gain sqrt 2: sqrt 2 * sqrt(2 / (fan_in + fan_out)), with fans of
        # F D for a whole (F, F, D) tensor of p or q, and of D for a kernel (D, D).
        for weight in [*self.p, *self.q]:
            nn.init.normal_(weight, std=math.sqrt(2 / (self.num_fields * self.embedding_dim)))
        for weight in self.kernel:
            nn.init.normal_(weight, std=math.sqrt(2 / self.embedding_dim))

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return the state before the first and after every round."""
        return list(self.states(vectors))

    def states(self, vectors: Tensor) -> Iterator[Tensor]:
        """Yield the state before the first and after every round, as soon as it is there."""
        if self.interaction == "inner":
            return self._inner(vectors)
        return self._outer(vectors) if self.interaction == "outer" else self._kernel(vectors)

    def _square(self, weight: Tensor) -> Tensor:
        """Return the weights of all edges ``(E, ...)`` as ``(F, F, ...)``, zero without an edge."""
        num_fields = self.num_fields
        square = weight.new_zeros(num_fields * num_fields, *weight.shape[1:])
        square = square.index_copy(0, self.edges, weight)
        return square.view(num_fields, num_fields, *weight.shape[1:])

    def _inner(self, vectors: Tensor) -> Iterator[Tensor]:
        # With the dimensions in front, a round is one matrix product (B, F) @ (F, F) for each.
        first = vectors.permute(2, 0, 1).contiguous() @ self.mixing.t()  # (D, B, F)
        state = first
        yield state.permute(1, 2, 0)
        for p in self.p:
            state = _times(torch.bmm(state, self._square(p).permute(2, 0, 1)), first)
            yield state.permute(1, 2, 0)

    def _outer(self, vectors: Tensor) -> Iterator[Tensor]:
        # With the rows last, both steps are matrix products along contiguous rows, and what the
        # first one writes by source is read by target without a copy.
        num_fields, dim = self.num_fields, self.embedding_dim
        first = self.mixing @ vectors.permute(1, 2, 0).reshape(num_fields, -1)
        first = first.view(num_fields, dim, vectors.shape[0])  # (F, D, B)
        state = first
        yield state.permute(2, 0, 1)
        for p, q in zip(self.p, self.q, strict=True):
            read = torch.bmm(self._square(p), state)  # (source, target, B)
            written = self._square(q).permute(1, 2, 0)  # (target, D, source)
            state = _times(torch.bmm(written, read.transpose(0, 1)), first)
            yield state.permute(2, 0, 1)

    def _kernel(self, vectors: Tensor) -> Iterator[Tensor]:
        # Every edge (f, s) is a D x D matrix, and all of them are one block triangular matrix
        # (F D, F D). The columns of the fields [start, stop) need only the rows of the fields
        # before stop, so one product for each of a few blocks skips most zeros.
        dim, num_fields = self.embedding_dim, self.num_fields
        first = (self.mixing @ vectors).flatten(1)  # (B, F D)
        cuts = [round(i * num_fields / NUM_BLOCKS) for i in range(NUM_BLOCKS + 1)]
        blocks = [(start, stop) for start, stop in pairwise(cuts) if start < stop]
        state = first
        yield state.unflatten(1, (num_fields, dim))
        for kernel in self.kernel:
            matrix = self._square(kernel).transpose(1, 2)  # (F, D, F, D)
            messages = [
                state[:, : stop * dim] @ matrix[:stop, :, start:stop].flatten(2).flatten(0, 1)
                for start, stop in blocks
            ]
            state = _times(torch.cat(messages, dim=1), first)
            yield state.unflatten(1, (num_fields, dim))


def _edges(num_fields: int) -> Tensor:
    """Return the places of all edges, ``f <= s``, in a flat ``(F, F)`` matrix, in their order."""
    # Filled in place, which a blueprint of the model skips.
    edges = torch.empty(num_fields * (num_fields + 1) // 2, dtype=torch.int64)
    parts = edges.split([num_fields - source for source in range(num_fields)])
    for source, part in enumerate(parts):
        torch.arange(source * (num_fields + 1), (source + 1) * num_fields, out=part)
    return edges


def _times(messages: Tensor, first: Tensor) -> Tensor:
    """Return ``messages * first``, in their place where nobody asks for a gradient."""
    return messages * first if torch.is_grad_enabled() else messages.mul_(first)


class DAGFM(CTRModel):
    """DAGFM: products of fields along every path of a graph, by dynamic programming.

    The states of `DAGPropagation`, summed over the dimensions, and one linear layer::

        h[0]        = mixing @ vectors
        h[l + 1][s] = h[0][s] * sum(message(h[l][f]) for f <= s)
        logit       = w . concat(sum(h[l], over D) for l = 0 ... depth) + c

    Source: Tian et al., "Directed Acyclic Graph Factorization Machines for CTR Prediction via
    Knowledge Distillation", WSDM 2023 (arXiv 2211.11159).

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        interaction: what an edge does to a vector: inner, outer or kernel.
        depth: rounds of message passing; the highest degree is depth + 1.
        embedding_init: start of the table, see `FeatureEmbedding`.
        linear: whether a linear part is added to the logit, a weight for each id and value; None
            for no.

    Shape:
        ids: ``(B, F)`` int32 or int64
        returns: logits ``(B,)``

    Raises:
        ValueError: if a size is not positive or a name is unknown.

    Example:
        >>> model = DAGFM([10, 3], embedding_dim=4, interaction="outer", depth=2)
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        interaction: str = "inner",
        depth: int = 3,
        embedding_init: str = "normal_1e-2",
        linear: bool | None = None,
    ) -> None:
        super().__init__(
            cardinalities,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            linear=linear,
        )
        self.propagation = DAGPropagation(
            self.num_fields, embedding_dim, interaction=interaction, depth=depth
        )
        self.output = nn.Linear((depth + 1) * self.num_fields, 1)
        nn.init.xavier_normal_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        rows = OUTER_ROWS.get(vectors.device.type)
        if rows is None or self.propagation.interaction != "outer" or is_tracing():
            return self._logits(vectors)
        return torch.cat([self._logits(part) for part in vectors.split(rows)])

    def _logits(self, vectors: Tensor) -> Tensor:
        pooled = torch.cat([state.sum(2) for state in self.propagation.states(vectors)], dim=1)
        logits: Tensor = self.output(pooled).squeeze(1)
        return logits


class DAGFMPlus(CTRModel):
    """DAGFM+: the states of a DAGFM, added up, go through an MLP.

    ::

        h[l + 1][s] = h[0][s] * sum(message(h[l][f]) for f <= s)
        logit       = w . mlp(vec(sum(h[l] for l = 0 ... depth))) + c

    Source: Tian et al., "Directed Acyclic Graph Factorization Machines for CTR Prediction via
    Knowledge Distillation", WSDM 2023 (arXiv 2211.11159), where it is called KD-DAGFM+.

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        interaction: what an edge does to a vector: inner, outer or kernel.
        depth: rounds of message passing; the highest degree is depth + 1.
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
        >>> model = DAGFMPlus([10, 3], embedding_dim=4, depth=2, hidden_dims=[8])
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        interaction: str = "inner",
        depth: int = 3,
        hidden_dims: Sequence[int] = (128, 128),
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
        self.propagation = DAGPropagation(
            self.num_fields, embedding_dim, interaction=interaction, depth=depth
        )
        self.mlp = MLP(
            self.num_fields * embedding_dim,
            hidden_dims,
            dropout=dropout,
            batch_norm=batch_norm,
            activation=activation,
        )
        self.output = nn.Linear(self.mlp.output_dim, 1)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        total = torch.stack(self.propagation(vectors)).sum(0)
        logits: Tensor = self.output(self.mlp(total.flatten(1))).squeeze(1)
        return logits
