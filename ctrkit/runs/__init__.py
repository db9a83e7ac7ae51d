"""Serving: a run folder is written by `train_run`, and `Run` scores raw rows with it."""

from ctrkit.runs.folder import (
    CHECKPOINTS,
    CONFIG,
    DATA,
    METRICS,
    claim,
    is_finished,
    read_json,
    refuse_unfinished,
    remove_remains,
)
from ctrkit.runs.record import (
    Fit,
    Outcome,
    check_parts,
    difference,
    new_model,
    recipe,
    record_run,
    train_run,
    versions,
)
from ctrkit.runs.run import Run
from ctrkit.runs.space import check_runs

__all__ = [
    "CHECKPOINTS",
    "CONFIG",
    "DATA",
    "METRICS",
    "Fit",
    "Outcome",
    "Run",
    "check_parts",
    "check_runs",
    "claim",
    "difference",
    "is_finished",
    "new_model",
    "read_json",
    "recipe",
    "record_run",
    "refuse_unfinished",
    "remove_remains",
    "train_run",
    "versions",
]
