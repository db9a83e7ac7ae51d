"""Optimizers of an embedding table that touch only the rows a batch has seen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ctrkit.machine import on_huge_pages


class LazyOptimizer(torch.optim.Optimizer):
    """Updates the rows of a sparse gradient; all other rows and their state stay. Abstract.

    Args:
        params: tables whose gradients are sparse (``FeatureEmbedding.sparse_gradient``).
        defaults: options of the parameter groups, ``lr``, ``l2`` and ``decoupled`` among them.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the rows that have a gradient."""
        if closure is not None:
            raise ValueError(f"{type(self).__name__} takes no closure")
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._update_table(table, group)

    def _update_table(self, table: Tensor, group: dict[str, Any]) -> None:
        gradient = table.grad
        if gradient is None or not gradient.is_sparse:
            raise ValueError(
                f"{type(self).__name__} needs sparse gradients; set embedding.sparse_gradient, "
                "and keep tables out of the model's penalty"
            )
        state = self.state[table]
        if not state:
            state.update(self._new_state(table))
        rows, place = torch.unique(gradient._indices()[0], return_inverse=True)
        summed = table.new_zeros(len(rows), table.shape[1])
        summed.index_add_(0, place, gradient._values())
        # index_select and index_copy_ move whole rows: 2 to 10 times as fast as table[rows].
        weights = table.index_select(0, rows)
        if group["decoupled"]:
            weights.mul_(1 - group["lr"] * group["l2"])
        elif group["l2"]:
            summed.add_(weights, alpha=group["l2"])
        weights.sub_(self._change(summed, rows, state, group))
        table.index_copy_(0, rows, weights)

    def state_shapes(self, table: Tensor) -> dict[str, torch.Size]:
        """Return names and shapes of what is kept of a table, without making it."""
        planned = torch.empty(table.shape, device="meta")
        return {name: value.shape for name, value in self._new_state(planned).items()}

    @abstractmethod
    def _new_state(self, table: Tensor) -> dict[str, Tensor]:
        """Return the state of a table before its first step."""

    @abstractmethod
    def _change(
        self, gradient: Tensor, rows: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> Tensor:
        """Return what to subtract from `rows`, given their gradient, and update the state."""


def _zeros(table: Tensor, shape: torch.Size) -> Tensor:
    """Return zeros of the table's type and device, on huge pages."""
    return on_huge_pages(table.new_empty(shape)).zero_()


class LazyAdam(LazyOptimizer):
    """Adam on the rows of a batch only.

    For every row r of the batch, with g the sum of its gradients and t the steps r was in::

        g += l2 * w[r]
        m[r] = beta1 m[r] + (1 - beta1) g        v[r] = beta2 v[r] + (1 - beta2) g^2
        w[r] -= lr * (m[r] / (1 - beta1^t)) / (sqrt(v[r] / (1 - beta2^t)) + eps)

    The bias corrections count the row's own steps, so that the first step of a rare row is as
    long as that of any other (with a common count it would be sqrt(10) times as long).

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015
    (arXiv 1412.6980).

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
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "l2": l2, "decoupled": decoupled}
        )

    def _new_state(self, table: Tensor) -> dict[str, Tensor]:
        # Counted in the table's own type, which loading a state dict would make of it anyway;
        # float32 counts 16 million steps of a row exactly.
        return {
            "first": _zeros(table, table.shape),
            "second": _zeros(table, table.shape),
            "steps": _zeros(table, table.shape[:1]),
        }

    def _change(
        self, gradient: Tensor, rows: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> Tensor:
        beta1, beta2 = group["betas"]
        first = state["first"].index_select(0, rows).lerp_(gradient, 1 - beta1)
        second = state["second"].index_select(0, rows).mul_(beta2)
        second.addcmul_(gradient, gradient, value=1 - beta2)
        steps = state["steps"].index_select(0, rows).add_(1)
        state["first"].index_copy_(0, rows, first)
        state["second"].index_copy_(0, rows, second)
        state["steps"].index_copy_(0, rows, steps)
        steps = steps.unsqueeze(1)
        root = second.div_(1 - beta2**steps).sqrt_().add_(group["eps"])
        return first.mul_(group["lr"] / (1 - beta1**steps)).div_(root)


class RowwiseAdagrad(LazyOptimizer):
    """Adagrad with one accumulator per row, on the rows of a batch only.

    For every row r of the batch, with g the sum of its gradients::

        g += l2 * w[r]
        s[r] += mean(g^2)
        w[r] -= lr * g / (sqrt(s[r]) + eps)

    Its state is one number per row, where Adam's is 2 D + 1: at D 16, a table of 10^8 rows
    takes 6 GiB and its state 0.4 GiB, against 12 GiB.

    Source: Mudigere et al., "Software-Hardware Co-design for Fast and Scalable Training of Deep
    Learning Recommendation Models", ISCA 2022 (arXiv 2104.05158).

    Args:
        params: tables whose gradients are sparse (``FeatureEmbedding.sparse_gradient``).
        lr: step size.
        eps: added to the root of the accumulator.
        l2: half of it times the squared norm of the batch's rows is added to the loss.
        decoupled: shrink the rows by ``lr * l2`` instead.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float = 1e-2,
        eps: float = 1e-8,
        l2: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "eps": eps, "l2": l2, "decoupled": decoupled})

    def _new_state(self, table: Tensor) -> dict[str, Tensor]:
        return {"sum": _zeros(table, table.shape[:1])}

    def _change(
        self, gradient: Tensor, rows: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> Tensor:
        total = state["sum"].index_select(0, rows) + gradient.square().mean(1)
        state["sum"].index_copy_(0, rows, total)
        rate = group["lr"] / (total.sqrt_() + group["eps"])
        return gradient.mul_(rate.unsqueeze(1))
