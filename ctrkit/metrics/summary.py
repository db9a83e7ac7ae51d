"""All metrics of a set of predictions together."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from numpy.typing import ArrayLike

from ctrkit.metrics.calibration import CALIBRATION_BINS, calibration_error
from ctrkit.metrics.checks import checked_probabilities, require_both_classes
from ctrkit.metrics.loss import base_entropy, mean_logloss
from ctrkit.metrics.ranking import auc_of_ranked, ranked_rows


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Quality of a set of predictions, and the rows it was computed on.

    Attributes:
        auc: chance that a click outscores a non-click, ties counting one half.
        logloss: mean binary cross entropy per row, in nats.
        normalized_entropy: logloss over that of always predicting the click rate.
        calibration_error: expected calibration error, see `expected_calibration_error`.
        predicted_ratio: sum of predictions over number of clicks; 1 is unbiased.
        rows: rows scored.
        clicks: rows with label 1.
    """

    auc: float
    logloss: float
    normalized_entropy: float
    calibration_error: float
    predicted_ratio: float
    rows: int
    clicks: int

    def to_dict(self) -> dict[str, float]:
        """Return the figures as plain data."""
        return asdict(self)

    def _repr_html_(self) -> str:
        figures = self.to_dict().items()
        heads = "".join(f"<th>{name}</th>" for name, _ in figures)
        cells = "".join(
            f"<td>{value:.5f}</td>" if isinstance(value, float) else f"<td>{value:,}</td>"
            for _, value in figures
        )
        return f"<table><tr>{heads}</tr><tr>{cells}</tr></table>"


def constant_metrics(probability: float, *, rows: int, clicks: int) -> Metrics:
    """Return the metrics of predicting one probability for all rows.

    Args:
        probability: more than 0, less than 1.
        rows: how many there are.
        clicks: how many of them are clicks.

    Raises:
        ValueError: if there is only one class.

    Example:
        >>> constant_metrics(0.5, rows=100, clicks=20).predicted_ratio
        2.5
    """
    entropy = base_entropy(clicks, rows)
    rate = clicks / rows
    loss = -(rate * math.log(probability) + (1 - rate) * math.log1p(-probability))
    return Metrics(
        auc=0.5,
        logloss=loss,
        normalized_entropy=loss / entropy,
        calibration_error=abs(probability - rate),
        predicted_ratio=probability / rate,
        rows=rows,
        clicks=clicks,
    )


def compute_metrics(labels: ArrayLike, probabilities: ArrayLike) -> Metrics:
    """Return all metrics of probabilities ``(N,)`` against labels ``(N,)``.

    Raises:
        TypeError: if they are not numbers.
        ValueError: if the shapes differ, a probability is not in [0, 1], a label is not 0 or 1,
            or there is only one class.
    """
    clicks, predicted = checked_probabilities(labels, probabilities)
    rows, num_clicks = len(clicks), int(clicks.sum())
    require_both_classes("AUC", num_clicks, rows)
    loss = mean_logloss(clicks, predicted)
    ranked = ranked_rows(clicks, predicted)  # sorted once, for two metrics
    return Metrics(
        auc=auc_of_ranked(ranked, num_clicks),
        logloss=loss,
        normalized_entropy=loss / base_entropy(num_clicks, rows),
        calibration_error=calibration_error(ranked, CALIBRATION_BINS),
        predicted_ratio=float(predicted.sum() / num_clicks),
        rows=rows,
        clicks=num_clicks,
    )
