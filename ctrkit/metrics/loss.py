"""Logloss and normalised entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ctrkit.metrics.checks import (
    Probabilities,
    checked_probabilities,
    require_both_classes,
)
from ctrkit.rows import Labels


def logloss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean binary cross entropy per row, in nats.

    Probabilities of exactly 0 and 1 count as the float64 next to them, so the loss stays finite.

    Example:
        >>> round(logloss([1, 0], [0.5, 0.5]), 6)
        0.693147
    """
    return mean_logloss(*checked_probabilities(labels, probabilities))


def normalized_entropy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return logloss divided by the logloss of always predicting the click rate.

    Below 1 is better than the base rate. Source: He et al., "Practical Lessons from Predicting
    Clicks on Ads at Facebook", ADKDD 2014, section 3.

    Raises:
        ValueError: if there is only one class.
    """
    clicks, predicted = checked_probabilities(labels, probabilities)
    return mean_logloss(clicks, predicted) / base_entropy(int(clicks.sum()), len(clicks))


def mean_logloss(clicks: Labels, predicted: Probabilities) -> float:
    """Return the logloss of checked arrays."""
    tiny = np.finfo(np.float64).eps
    inside = np.clip(predicted, tiny, 1 - tiny)
    return float(-np.where(clicks == 1, np.log(inside), np.log1p(-inside)).mean())


def base_entropy(num_clicks: int, rows: int) -> float:
    """Return the logloss of always predicting the click rate.

    Raises:
        ValueError: if all rows have one label.
    """
    require_both_classes("normalized entropy", num_clicks, rows)
    rate = num_clicks / rows
    return float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))
