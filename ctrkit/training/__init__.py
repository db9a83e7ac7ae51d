"""Training: options, the trainer, and metrics over all rows."""

from ctrkit.metrics import (
    Metrics,
    auc,
    compute_metrics,
    expected_calibration_error,
    grouped_auc,
    logloss,
    normalized_entropy,
)
from ctrkit.training.config import TrainConfig
from ctrkit.training.history import History, Record, TrainResult
from ctrkit.training.observer import Observer
from ctrkit.training.scoring import evaluate, probabilities, score, score_stream
from ctrkit.training.trainer import Trainer

__all__ = [
    "History",
    "Metrics",
    "Observer",
    "Record",
    "TrainConfig",
    "TrainResult",
    "Trainer",
    "auc",
    "compute_metrics",
    "evaluate",
    "expected_calibration_error",
    "grouped_auc",
    "logloss",
    "normalized_entropy",
    "probabilities",
    "score",
    "score_stream",
]
