"""Checks of labels and scores, before a metric is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctrkit.arrays import check_labels, real_array
from ctrkit.rows import Labels

Scores = NDArray[np.floating[Any]]
Probabilities = NDArray[np.float64]


def checked_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[Labels, Scores]:
    """Return labels ``(N,)`` and scores ``(N,)`` as arrays.

    Raises:
        TypeError: if they are not numbers.
        ValueError: if the shapes differ, a label is not 0 or 1, or a score is not finite.
    """
    clicks, values = real_array("labels", labels), real_array("scores", scores)
    if clicks.ndim != 1 or clicks.shape != values.shape:
        raise ValueError(f"labels and scores must be (N,), got {clicks.shape} and {values.shape}")
    check_labels("labels", clicks)
    # A NaN is the smallest and the largest number of its array.
    if len(values) and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise ValueError(f"scores must be finite, got {values[~np.isfinite(values)][0]!r}")
    return clicks.astype(np.uint8, copy=False), values


def checked_probabilities(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[Labels, Probabilities]:
    """Return labels ``(N,)`` and probabilities ``(N,)`` as arrays.

    Raises:
        TypeError: if they are not numbers.
        ValueError: as `checked_scores`; if there are no rows, or a probability is not in [0, 1].
    """
    clicks, values = checked_scores(labels, probabilities)
    predicted = values.astype(np.float64, copy=False)
    if len(predicted) == 0:
        raise ValueError("metrics need at least one row, got none")
    if predicted.min() < 0 or predicted.max() > 1:
        raise ValueError(
            f"probabilities must lie in [0, 1], got {predicted.min()!r} to {predicted.max()!r}"
        )
    return clicks, predicted


def require_both_classes(what: str, num_clicks: int, rows: int) -> None:
    """Check that some rows are clicks and some are not.

    Raises:
        ValueError: if all rows have one label.
    """
    if not 0 < num_clicks < rows:
        raise ValueError(f"{what} needs both classes, got {num_clicks} clicks in {rows} rows")
