"""Expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ctrkit.metrics.checks import checked_probabilities
from ctrkit.metrics.ranking import Ranked, ranked_rows
from ctrkit.options import check_positive

CALIBRATION_BINS = 20
"""Default number of bins of the expected calibration error."""


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, num_bins: int = CALIBRATION_BINS
) -> float:
    """Return ``sum over bins of share of rows * |click rate - mean prediction|``.

    Rows are cut into `num_bins` bins of equally many rows by predicted probability: click
    predictions crowd at the low end, where bins of equal width would hold nearly all rows. Rows of
    equal predictions on both sides of an edge share their clicks evenly.
    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015, with equal-mass bins.

    Raises:
        TypeError: if `num_bins` is not a whole number.
        ValueError: if `num_bins` is not positive, or as `compute_metrics`.
    """
    check_positive(num_bins=num_bins)
    if not isinstance(num_bins, int):
        raise TypeError(f"num_bins must be a whole number, got {num_bins!r}")
    clicks, predicted = checked_probabilities(labels, probabilities)
    # With more bins than rows, each row is a bin of its own.
    return calibration_error(ranked_rows(clicks, predicted), min(num_bins, len(clicks)))


def calibration_error(ranked: Ranked, num_bins: int) -> float:
    """Return the error of probabilities in float64, which lie in one array."""
    (packed,) = ranked
    rows = len(packed)
    starts = np.unique(np.linspace(0, rows, num_bins + 1).astype(np.int64)[:-1])
    clicks_before = np.append(0, np.cumsum(packed & 1))
    # A bin may begin within rows of equal predictions: it then gets its share of their clicks.
    first = np.searchsorted(packed, packed[starts] & ~1)
    end = np.searchsorted(packed, packed[starts] | 1, side="right")
    tied_clicks = clicks_before[end] - clicks_before[first]
    before = clicks_before[first] + tied_clicks * (starts - first) / (end - first)
    clicks = np.diff(np.append(before, clicks_before[-1]))
    predicted = np.add.reduceat((packed >> 1).view(np.float64), starts)
    return float(np.abs(clicks - predicted).sum() / rows)
