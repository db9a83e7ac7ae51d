"""What a model costs: parameters, multiply-adds per row, and what it saves for its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ctrkit.embedding import tables_of
from ctrkit.models.base import CTRModel

ROWS = 64
"""Rows that are counted; few enough for any memory, enough that a row's share is exact."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a model costs.

    Attributes:
        table_parameters: numbers of the embedding tables.
        net_parameters: all other numbers.
        multiply_adds: those of all matrix products for one row, ids to logit, as they are
            computed; elementwise work and the reading of the table are not counted.
    """

    table_parameters: int
    net_parameters: int
    multiply_adds: int


def cost_of(model: CTRModel) -> Cost:
    """Count a model's parameters, and its multiply-adds per row by running it on some.

    Example:
        >>> from ctrkit.models import CrossNet
        >>> cost_of(CrossNet([10, 3], embedding_dim=4, num_layers=1)).multiply_adds
        72
    """
    tables = sum(table.numel() for table in tables_of(model))
    everything = sum(parameter.numel() for parameter in model.parameters())
    ids, values = _some_rows(model, ROWS)
    was_training = model.training
    model.eval()
    # The plain form of attention, for the fused ones are not counted on every device.
    plain = sdpa_kernel(SDPBackend.MATH)
    try:
        with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
            model(ids, values)
    finally:
        model.train(was_training)
    return Cost(
        table_parameters=tables,
        net_parameters=everything - tables,
        multiply_adds=counter.get_total_flops() // (2 * ROWS),
    )


def saved_bytes_per_row(model: CTRModel) -> int:
    """Return what a model in training keeps of a row until its gradient is computed, in bytes.

    Counted by running it on some rows, and on twice as many, which have the same weights. What
    single operations need besides, and give back, is about as much again.

    Example:
        >>> from ctrkit.models import CrossNet
        >>> with torch.device("meta"):  # without any memory for the table
        ...     model = CrossNet([10_000_000] * 39, embedding_dim=16)
        >>> saved_bytes_per_row(model)
        17784

    Raises:
        ValueError: if a model of the caller's own fails, or does not return a logit per row.
    """
    return (_saved_bytes(model, 2 * ROWS) - _saved_bytes(model, ROWS)) // ROWS


def _saved_bytes(model: CTRModel, num_rows: int) -> int:
    # Views share what they lie in. It is kept, or its address could be given to another.
    kept: dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    was_training = model.training
    model.train()
    try:
        with saved_tensors_hooks(note, lambda tensor: tensor):
            logits = model(*_some_rows(model, num_rows))
    except Exception as error:
        if type(model).__module__.startswith("ctrkit."):
            raise
        raise ValueError(
            f"{type(model).__name__} must run on torch.device('meta'), to learn what memory it "
            f"needs, but fails there: {type(error).__name__}: {error}; --no-check-space "
            "(check_space=False) goes without, --traceback shows where"
        ) from error
    finally:
        model.train(was_training)
    if logits.shape != (num_rows,):
        shape = tuple(logits.shape)
        raise ValueError(
            f"{type(model).__name__} must return logits of shape (B,), got {shape} for B {num_rows}"
        )
    return sum(storage.nbytes() for storage in kept.values())


def _some_rows(model: CTRModel, num_rows: int) -> tuple[Tensor, Tensor | None]:
    """Return ids and values that the model takes, on its device."""
    some = next(model.parameters())
    num_slots = sum(shape.num_slots for shape in model.shapes)
    num_values = sum(shape.value_columns for shape in model.shapes)
    ids = torch.zeros(num_rows, num_slots, dtype=torch.int64, device=some.device)
    values = torch.zeros(num_rows, num_values, device=some.device, dtype=some.dtype)
    return ids, values if num_values else None
