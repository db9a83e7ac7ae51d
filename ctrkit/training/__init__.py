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
from ctrkit.training.checkpoints import WEIGHT_FILES, load_weights, remove_unfinished, unfinished
from ctrkit.training.config import CHECKPOINT_OPTIONS, TrainConfig
from ctrkit.training.history import History, Record, TrainResult
from ctrkit.training.input import (
    POOL_BYTES,
    POSITION_BYTES,
    Examples,
    check_examples,
    check_inputs,
    chosen_shuffle,
)
from ctrkit.training.latency import latencies
from ctrkit.training.observer import Observer
from ctrkit.training.optimizers import table_optimizer
from ctrkit.training.ranks import ALONE, Ranks
from ctrkit.training.regression import fit_regression, regression_bytes, regression_logits
from ctrkit.training.scoring import (
    blocks_of,
    eval_mode,
    evaluate,
    joined,
    probabilities,
    score,
    score_stream,
)
from ctrkit.training.step import chunks_at_once, rows_of_chunk
from ctrkit.training.tensorboard import TensorBoardWriter
from ctrkit.training.trainer import Trainer, check_classes, check_rows

__all__ = [
    "History",
    "Metrics",
    "Observer",
    "Ranks",
    "Record",
    "TensorBoardWriter",
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
