"""Metrics over all rows: AUC, logloss, normalised entropy, calibration, grouped AUC.

Everything here works on whole arrays, never on means of batches, in float64 and integers.
"""

from ctrkit.metrics.calibration import CALIBRATION_BINS, expected_calibration_error
from ctrkit.metrics.loss import logloss, normalized_entropy
from ctrkit.metrics.ranking import auc, auc_from_counts, grouped_auc
from ctrkit.metrics.summary import Metrics, compute_metrics, constant_metrics

__all__ = [
    "Metrics",
    "auc",
    "auc_from_counts",
    "compute_metrics",
    "expected_calibration_error",
    "grouped_auc",
    "logloss",
    "normalized_entropy",
]
