"""A run folder: written by `train_run` while a model is trained, opened as `Run` to score rows."""

from ctrkit.runs.baseline import Baseline, measure_baseline, read_baseline
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
from ctrkit.runs.hints import Hint, read_hints
from ctrkit.runs.recipe import Recipe, versions
from ctrkit.runs.record import Outcome, Recording, check_parts, recording, train_run
from ctrkit.runs.run import Run
from ctrkit.runs.space import check_runs

__all__ = [
    "Baseline",
    "Hint",
    "Outcome",
    "Recipe",
    "Recording",
    "Run",
    "measure_baseline",
    "recording",
    "train_run",
]
