"""Optimizers: one for the embedding tables, one for everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ctrkit.embedding import embeddings_of, tables_of
from ctrkit.models import CTRModel
from ctrkit.training.config import TrainConfig
from ctrkit.training.optimizers.lazy_optimizers import LazyAdam, LazyOptimizer, RowwiseAdagrad

LAZY: dict[str, Callable[..., LazyOptimizer]] = {"lazy": LazyAdam, "adagrad": RowwiseAdagrad}
"""Optimizers that update the rows of a batch only, by the name of the option."""

LAZY_FROM_ROWS = 2_000_000
"""Rows of all tables from which ``table_optimizer="auto"`` updates only the rows of a batch."""


def net_parameters(model: CTRModel) -> list[nn.Parameter]:
    """Return all parameters to be trained but the embedding tables."""
    tables = {id(table) for table in tables_of(model)}
    return [p for p in model.parameters() if id(p) not in tables and p.requires_grad]


def table_optimizer(model: CTRModel, config: TrainConfig) -> str:
    """Return how the tables are updated, ``"auto"`` resolved: dense, lazy or adagrad."""
    if config.table_optimizer != "auto":
        return config.table_optimizer
    is_large = sum(map(len, tables_of(model))) >= LAZY_FROM_ROWS
    return "lazy" if is_large and not config.compile else "dense"


def make_optimizers(model: CTRModel, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Return the tables' optimizer and the net's, without one that has nothing to train.

    A ``table_l2`` of None is 0 here; see `TrainConfig.for_rows`.

    Sets ``sparse_gradient`` of every embedding to what the tables' optimizer needs.
    """
    tables = [table for table in tables_of(model) if table.requires_grad]
    net = net_parameters(model)
    optimizers: list[torch.optim.Optimizer] = []
    _set_sparse_gradient(model, False)
    if tables:
        optimizers.append(_table_optimizer(model, tables, config))
    if net:
        optimizers.append(_dense(config, net, config.learning_rate, config.net_l2))
    return optimizers


def _table_optimizer(
    model: CTRModel, tables: list[nn.Parameter], config: TrainConfig
) -> torch.optim.Optimizer:
    rate = config.table_learning_rate or config.learning_rate
    l2 = config.table_l2 or 0.0
    kind = table_optimizer(model, config)
    if kind == "dense":
        optimizer = _dense(config, tables, rate, l2)
        # torch.compile cannot trace a lookup with sparse gradients.
        if tables[0].device.type == "cpu" and not config.compile:
            _set_sparse_gradient(model, True)
            gradient = _DenseGradient(tables)
            optimizer.register_step_pre_hook(gradient.fill)
            optimizer.register_step_post_hook(gradient.clear)
        return optimizer
    _set_sparse_gradient(model, True)
    return LAZY[kind](tables, lr=rate, l2=l2, decoupled=config.optimizer == "adamw")


def _set_sparse_gradient(model: CTRModel, is_sparse: bool) -> None:
    for embedding in embeddings_of(model).values():
        embedding.sparse_gradient = is_sparse


class _DenseGradient:
    """Makes dense gradients of sparse ones, for an optimizer that updates every row.

    A batch is passed through the model in chunks, and each would make a dense gradient of the
    whole table. Instead their sparse gradients are added, once, to one that lasts for the run; of
    that, only the rows of the batch are set to zero again.
    """

    def __init__(self, tables: list[nn.Parameter]) -> None:
        self._tables = tables
        self._dense: dict[nn.Parameter, Tensor] = {}
        self._rows: dict[nn.Parameter, Tensor] = {}

    def fill(self, *_: Any) -> None:
        for table in self._tables:
            if table.grad is None or not table.grad.is_sparse:  # as of a penalty on the table
                continue
            self._rows[table] = table.grad._indices()[0]
            if table not in self._dense:
                self._dense[table] = torch.zeros_like(table)
            self._dense[table].index_add_(0, self._rows[table], table.grad._values())
            table.grad = self._dense[table]

    def clear(self, *_: Any) -> None:
        for table, rows in self._rows.items():
            table.grad = None
            if len(rows) < len(table):
                self._dense[table].index_fill_(0, rows, 0.0)
            else:
                self._dense[table].zero_()
        self._rows.clear()


def _dense(
    config: TrainConfig, parameters: list[nn.Parameter], lr: float, l2: float
) -> torch.optim.Optimizer:
    # Adam's weight_decay adds l2 * w to the gradient: that of l2 / 2 * ||w||^2, as published.
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=lr, weight_decay=l2, fused=True)
