"""Serving: a run folder scores raw rows."""

from ctrkit.serving.run import Run, save_run

__all__ = ["Run", "save_run"]
