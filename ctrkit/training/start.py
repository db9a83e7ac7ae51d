"""The start of a training: logits that are small, with the training rows' click rate as their mean.

``"built"``
    The weights as the model was built: for reproductions.
``"calibrated"``
    With mean and deviation of the logits of the first training rows, and their click rate p: the
    output is scaled by ``min(1, START_DEVIATION / deviation)``, then its bias is shifted such that
    the mean of ``sigmoid(logit)`` is p. Else the first steps of every training only learn p, and a
    model that starts far off learns it with weights that it needs for other things.
``"regression"``
    The linear part starts at a logistic regression on the same ids (see `fit_regression`); then the
    output is scaled and shifted as above. So a training starts about as good as the regression, and
    adds what interactions tell.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctrkit.embedding import FeatureEmbedding
from ctrkit.machine import chunk_rows
from ctrkit.models import CTRModel, to_float32
from ctrkit.training.input import Examples
from ctrkit.training.regression import Regression, fit_regression
from ctrkit.training.scoring import eval_mode

Logits = NDArray[np.float64]

START_DEVIATION = 0.1
"""Largest deviation of the logits at the start."""

START_ROWS = 4096
"""Training rows whose logits are looked at."""


def set_start(model: CTRModel, start: str, train: Examples, valid: Examples | None) -> None:
    """Give a new model its start, in place.

    What a model of the caller's own cannot do (`CTRModel.can_scale`, `CTRModel.can_shift`) is left
    out.

    Args:
        model: as it was built.
        start: as in `TrainConfig`; without a linear part, ``"regression"`` is ``"calibrated"``.
        train: training rows.
        valid: validation rows, or None.
    """
    if start == "built":
        return
    rate = float(np.mean(train.labels))
    interaction, linear = _logits(model, train)
    deviation = float(interaction.std())
    scale = min(1.0, START_DEVIATION / deviation) if deviation > 0 and model.can_scale else 1.0
    if start == "regression" and model.linear_part is not None:
        regression = fit_regression(model.cardinalities, train, valid)
        _set_linear(*model.linear_part, regression)
        _, linear = _logits(model, train)
    shift = _shift_to(rate, scale * interaction + linear) if model.can_shift else 0.0
    model.rescale_output(scale, shift)


@torch.no_grad()
def _logits(model: CTRModel, train: Examples) -> tuple[Logits, Logits]:
    """Return the logits of the first rows without the linear part, and what that adds."""
    device = next(model.parameters()).device
    arrays = (train.ids, train.values)
    # As many rows at a time as in scoring, since some models make much of each.
    ids, values = (
        None
        if array is None
        else torch.from_numpy(np.array(array[:START_ROWS])).to(device).split(chunk_rows(device))
        for array in arrays
    )
    assert ids is not None
    with eval_mode(model):
        pairs = [
            (to_float32(model.logits(*rows)).double(), to_float32(model(*rows)).double())
            for rows in zip(ids, values or [None] * len(ids), strict=True)
        ]
    interaction, whole = (torch.cat(parts).cpu().numpy() for parts in zip(*pairs, strict=True))
    return interaction, whole - interaction


def _shift_to(rate: float, logits: Logits) -> float:
    """Return what moves logits such that the mean of their sigmoid is a rate, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = float(np.mean(1 / (1 + np.exp(-np.clip(logits + middle, -500, 500)))))
        low, high = (middle, high) if mean < rate else (low, middle)
    return (low + high) / 2


@torch.no_grad()
def _set_linear(weights: FeatureEmbedding, bias: Tensor, regression: Regression) -> None:
    weights.tables[0].copy_(torch.from_numpy(regression.weights).unsqueeze(1))
    if weights.directions is not None:
        weights.directions.copy_(torch.from_numpy(regression.directions).unsqueeze(1))
    bias.fill_(regression.bias)
