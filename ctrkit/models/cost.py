"""What a model costs: parameters, and multiply-adds per row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

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
    tables = sum(table.numel() for table in model.embedding.tables)
    everything = sum(parameter.numel() for parameter in model.parameters())
    some = next(model.parameters())
    shapes = model.embedding.shapes
    num_slots = sum(shape.num_slots for shape in shapes)
    num_values = sum(shape.has_value for shape in shapes)
    ids = torch.zeros(ROWS, num_slots, dtype=torch.int64, device=some.device)
    values = torch.zeros(ROWS, num_values, device=some.device, dtype=some.dtype)
    was_training = model.training
    model.eval()
    # The plain form of attention, for the fused ones are not counted on every device.
    plain = sdpa_kernel(SDPBackend.MATH)
    try:
        with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
            model(ids, values if num_values else None)
    finally:
        model.train(was_training)
    return Cost(
        table_parameters=tables,
        net_parameters=everything - tables,
        multiply_adds=counter.get_total_flops() // (2 * ROWS),
    )
