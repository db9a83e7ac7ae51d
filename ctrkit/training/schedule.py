"""The schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ctrkit.training.config import TrainConfig


class Schedule:
    """Sets the learning rate of several optimizers: warm-up, then constant, plateau or cosine::

        rate = peak * min(1, step / warmup_steps) * scale
        scale = 1                                             constant
        scale = plateau_factor ** number of plateaus          plateau
        scale = (1 + cos(pi * progress)) / 2                  cosine, progress after the warm-up

    but not below ``min_learning_rate`` (warm-up apart).
    """

    def __init__(
        self, optimizers: Sequence[torch.optim.Optimizer], config: TrainConfig, total_steps: int
    ) -> None:
        self.config = config
        self.total_steps = total_steps
        self.scale = 1.0
        self._since_better = 0
        self._optimizers = optimizers
        self._peaks = [group["lr"] for group in self._groups]

    @property
    def _groups(self) -> list[dict[str, Any]]:
        # Not kept: an optimizer that loads a state makes new ones.
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain data."""
        return {"scale": self.scale, "since_better": self._since_better}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where another schedule of the same config was."""
        self.scale, self._since_better = state["scale"], state["since_better"]

    @property
    def learning_rate(self) -> float:
        """Present learning rate of the net (of the table if nothing else is trained)."""
        return float(self._groups[-1]["lr"])

    def before_step(self, step: int) -> None:
        """Set the learning rate of step number `step`, which counts from 1."""
        config = self.config
        warmup = min(1.0, step / config.warmup_steps) if config.warmup_steps else 1.0
        scale = self.scale
        if config.schedule == "cosine":
            after = max(0, step - config.warmup_steps)
            progress = after / max(1, self.total_steps - config.warmup_steps)
            scale = (1 + math.cos(math.pi * min(1.0, progress))) / 2
        for group, peak in zip(self._groups, self._peaks, strict=True):
            floor = min(config.min_learning_rate, peak)
            group["lr"] = warmup * max(floor, peak * scale)

    def after_validation(self, improved: bool) -> None:
        """Count validations without improvement; lower the learning rate on a plateau.

        Args:
            improved: whether the figure that ``plateau_monitor`` names is the best so far.
        """
        self._since_better = 0 if improved else self._since_better + 1
        is_plateau = self._since_better and self._since_better % self.config.plateau_patience == 0
        if self.config.schedule == "plateau" and is_plateau:
            self.scale *= self.config.plateau_factor
