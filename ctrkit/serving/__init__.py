"""Serving: a run folder is written by `train_run`, and `Run` scores raw rows with it."""

from ctrkit.serving.experiment import Outcome, record_run, train_run
from ctrkit.serving.run import Run

__all__ = ["Outcome", "Run", "record_run", "train_run"]
