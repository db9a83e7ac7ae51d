"""Means over seeds, with the uncertainty that few seeds leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the half width of its 95 % interval (Student's t; inf for one value)."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return float(array.mean()), float("inf")
    error = array.std(ddof=1) / np.sqrt(len(array))
    return float(array.mean()), float(error * t.ppf(0.975, len(array) - 1))


def spell(values: Sequence[float], digits: int = 4) -> str:
    """Return ``mean ± half width`` as text."""
    mean, half = mean_interval(values)
    return f"{mean:.{digits}f} ± {half:.{digits}f}"
