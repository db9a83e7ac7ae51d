"""Optimizers: one for the embedding table, one for everything else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ctrkit.models import CTRModel
from ctrkit.training.config import TrainConfig

LAZY_FROM_ROWS = 2_000_000
"""Table rows from which ``table_optimizer="auto"`` updates only the rows of a batch."""


class LazyAdam(torch.optim.Optimizer):
    """Adam on the rows of a sparse gradient only; all other rows and their moments stay.

    For every row r of the batch, with g the sum of its gradients and t the steps r was in::

        g += l2 * w[r]
        m[r] = beta1 m[r] + (1 - beta1) g        v[r] = beta2 v[r] + (1 - beta2) g^2
        w[r] -= lr * (m[r] / (1 - beta1^t)) / (sqrt(v[r] / (1 - beta2^t)) + eps)

    The bias corrections count the row's own steps, so that the first step of a rare row is as
    long as that of any other (with a common count it would be sqrt(10) times as long).

    Args:
        params: tables whose gradients are sparse (``FeatureEmbedding.sparse_gradient``).
        lr: step size.
        betas: decay of the first and second moment.
        eps: added to the root of the second moment.
        l2: half of it times the squared norm of the batch's rows is added to the loss.
        decoupled: shrink the rows by ``lr * l2`` instead, as AdamW does.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        l2: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "l2": l2, "decoupled": decoupled}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the rows that have a gradient."""
        if closure is not None:
            raise ValueError("LazyAdam takes no closure")
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._update(table, group)

    def _update(self, table: Tensor, group: dict[str, Any]) -> None:
        gradient = table.grad
        if gradient is None or not gradient.is_sparse:
            raise ValueError("LazyAdam needs sparse gradients; set embedding.sparse_gradient")
        state = self.state[table]
        if not state:
            state["first"] = torch.zeros_like(table)
            state["second"] = torch.zeros_like(table)
            # Counted in the table's own type, which loading a state dict would make of it anyway;
            # float32 counts 16 million steps of a row exactly.
            state["steps"] = table.new_zeros(len(table), 1)
        rows, place = torch.unique(gradient._indices()[0], return_inverse=True)
        summed = table.new_zeros(len(rows), table.shape[1])
        summed.index_add_(0, place, gradient._values())
        weights = table[rows]
        if group["decoupled"]:
            weights.mul_(1 - group["lr"] * group["l2"])
        elif group["l2"]:
            summed.add_(weights, alpha=group["l2"])
        beta1, beta2 = group["betas"]
        first = state["first"][rows].lerp_(summed, 1 - beta1)
        second = state["second"][rows].mul_(beta2).addcmul_(summed, summed, value=1 - beta2)
        steps = state["steps"][rows] + 1
        state["first"][rows] = first
        state["second"][rows] = second
        state["steps"][rows] = steps
        root = (second / (1 - beta2**steps)).sqrt_().add_(group["eps"])
        table[rows] = weights.sub_(first.div_(1 - beta1**steps).div_(root).mul_(group["lr"]))


def table_parameters(model: CTRModel) -> list[nn.Parameter]:
    """Return the embedding tables of a model that are to be trained."""
    return [table for table in model.embedding.tables if table.requires_grad]


def net_parameters(model: CTRModel) -> list[nn.Parameter]:
    """Return all parameters to be trained but the embedding tables."""
    tables = {id(table) for table in model.embedding.tables}
    return [p for p in model.parameters() if id(p) not in tables and p.requires_grad]


def is_lazy(model: CTRModel, config: TrainConfig) -> bool:
    """Return whether the table is updated lazily."""
    if config.table_optimizer == "auto":
        return model.embedding.num_rows >= LAZY_FROM_ROWS
    return config.table_optimizer == "lazy"


def make_optimizers(model: CTRModel, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Return the table's optimizer and the net's; either is left out where nothing is to train.

    A ``table_l2`` of None is 0 here; see `TrainConfig.for_rows`.

    Sets ``model.embedding.sparse_gradient`` to what the table's optimizer needs.
    """
    tables, net = table_parameters(model), net_parameters(model)
    table_rate = config.table_learning_rate or config.learning_rate
    lazy = is_lazy(model, config)
    model.embedding.sparse_gradient = lazy
    optimizers: list[torch.optim.Optimizer] = []
    if tables and lazy:
        decoupled = config.optimizer == "adamw"
        optimizers.append(
            LazyAdam(tables, lr=table_rate, l2=config.table_l2 or 0.0, decoupled=decoupled)
        )
    elif tables:
        optimizers.append(_dense(config, tables, table_rate, config.table_l2 or 0.0))
    if net:
        optimizers.append(_dense(config, net, config.learning_rate, config.net_l2))
    return optimizers


def _dense(
    config: TrainConfig, parameters: list[nn.Parameter], lr: float, l2: float
) -> torch.optim.Optimizer:
    # Adam's weight_decay adds l2 * w to the gradient: that of l2 / 2 * ||w||^2, as published.
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=lr, weight_decay=l2, fused=True)
