"""Training: options, the trainer, and metrics over all rows."""

from ctrkit.training.checkpoints import NAMES, load_weights, remove_unfinished, unfinished
from ctrkit.training.config import CHECKPOINT_OPTIONS, TrainConfig
from ctrkit.training.estimates import (
    SCORED_ROW_BYTES,
    finished_disk,
    running_disk,
    table_bytes,
    training_memory,
)
from ctrkit.training.history import History, Record, TrainResult
from ctrkit.training.input import Examples, check_examples, check_inputs
from ctrkit.training.latency import latencies
from ctrkit.training.metrics import (
    Metrics,
    auc,
    compute_metrics,
    expected_calibration_error,
    grouped_auc,
    logloss,
    normalized_entropy,
)
from ctrkit.training.observer import Observer
from ctrkit.training.optimizers import table_optimizer
from ctrkit.training.ranks import ALONE, Ranks
from ctrkit.training.scoring import (
    blocks_of,
    eval_mode,
    evaluate,
    joined,
    probabilities,
    score,
    score_stream,
)
from ctrkit.training.tensorboard import TensorBoardWriter
from ctrkit.training.trainer import Trainer, check_rows, require_both_classes

__all__ = [
    "ALONE",
    "CHECKPOINT_OPTIONS",
    "NAMES",
    "SCORED_ROW_BYTES",
    "Examples",
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
    "blocks_of",
    "check_examples",
    "check_inputs",
    "check_rows",
    "compute_metrics",
    "eval_mode",
    "evaluate",
    "expected_calibration_error",
    "finished_disk",
    "grouped_auc",
    "joined",
    "latencies",
    "load_weights",
    "logloss",
    "normalized_entropy",
    "probabilities",
    "remove_unfinished",
    "require_both_classes",
    "running_disk",
    "score",
    "score_stream",
    "table_bytes",
    "table_optimizer",
    "training_memory",
    "unfinished",
]
