"""Trainer: fit a model to rows, keep the weights that were best on the validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctrkit.arrays import check_finite, real_array
from ctrkit.machine import memory_errors
from ctrkit.models import Batch, CTRModel
from ctrkit.training.config import TrainConfig
from ctrkit.training.history import TrainResult
from ctrkit.training.input import Examples, check_examples
from ctrkit.training.loop import Aim, Loop
from ctrkit.training.observer import Observer
from ctrkit.training.ranks import ALONE, Ranks


class Trainer:
    """Trains a model: BCE of the logits, early stopping on validation rows, best weights kept.

    Args:
        config: the options of the run.
        observers: callbacks that are told about progress.
        ranks: the processes that train together.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> from ctrkit.models import EulerNet
        >>> ids = np.arange(64).reshape(-1, 1) % 2
        >>> rows = SimpleNamespace(ids=ids, labels=ids[:, 0], values=None)
        >>> model = EulerNet([2], embedding_dim=4, orders=[2])
        >>> result = Trainer(TrainConfig(epochs=3, batch_size=16)).fit(model, rows, rows)
        >>> result.best.valid_auc
        1.0
    """

    def __init__(
        self,
        config: TrainConfig | None = None,
        *,
        observers: Sequence[Observer] = (),
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = config or TrainConfig()
        self.observers = tuple(observers)
        self.ranks = ranks

    def fit(
        self,
        model: CTRModel,
        train: Examples,
        valid: Examples | None = None,
        *,
        checkpoints: str | Path | None = None,
        resume: bool = False,
        loss: Callable[[Batch], Tensor] | None = None,
        targets: NDArray[np.float32] | None = None,
        criterion: Callable[[NDArray[np.float32]], float] | None = None,
        keep_start: bool = False,
    ) -> TrainResult:
        """Train `model` in place and return what happened.

        Args:
            model: moved to the device of the config, and left there with the best weights.
            train: rows to learn from.
            valid: rows that choose the best weights and the moment to stop; without them the run
                lasts all its epochs and the last weights stay.
            checkpoints: folder for ``best.pt``, for ``last.pt`` at the end, and until then for
                the checkpoints that a run can resume from (``config.checkpoint_minutes``); without
                it the best weights are kept in memory, and there is nothing to resume from.
            resume: continue from the last checkpoint in that folder, if there is one; the result is
                that of a run without interruption, on a processor bit for bit.
            loss: what to minimise on a batch, a mean over its rows and terms of the weights alone
                (a batch passes in chunks, see ``config.chunk_rows``); ``model.calculate_loss`` if
                not given.
            targets: a number per training row ``(N,)``, handed to `loss` as ``batch.targets``.
            criterion: takes the logits of the validation rows and returns what chooses the best
                weights in place of ``config.monitor``, smaller is better.
            keep_start: score the validation rows before the first step too, so that the weights
                the model came with stay if none are better.

        Raises:
            TypeError: if ids, labels, values or targets are arrays of a wrong type.
            ValueError: if there are no rows, training or validation rows have one class only, an
                id is out of range, a label is neither 0 nor 1, a value is not finite, there is
                not a target for each row, or the checkpoint to resume from is damaged, or of other
                rows, options or weights.
            MemoryError: if the memory does not suffice.
            FloatingPointError: if the loss is not finite; names step, step size and checkpoint.
            Interrupted: on Ctrl-C or SIGTERM in a run with a folder, once a checkpoint is written.
        """
        check_rows(train, valid)
        if valid is not None and len(valid.labels) == 0:
            valid = None
        if targets is not None:
            _check_targets(targets, len(train.labels))
        aim = Aim(loss, targets, criterion, keep_start)
        folder = None if checkpoints is None else Path(checkpoints)
        if resume and folder is None:
            raise ValueError("resume needs the folder of the checkpoints, got none")
        with memory_errors():
            loop = Loop(self.config, self.observers, model, train, valid, folder, aim, self.ranks)
            cuda_devices = [loop.device.index or 0] if loop.device.type == "cuda" else []
            with loop.optimize.at_full_speed(), torch.random.fork_rng(cuda_devices):
                torch.manual_seed(self.config.seed)
                return loop.train_to_end(resume=resume)


def check_rows(train: Examples, valid: Examples | None) -> None:
    """Check, before any work, that rows can be trained on and validated on.

    Raises:
        TypeError: if an array is of a wrong type.
        ValueError: if there are no training rows, one class only, or arrays that do not fit
            together; see `check_examples`.
    """
    check_examples(train, "training rows")
    if len(train.labels) == 0:
        raise ValueError("training needs at least one row, got none")
    check_classes("training rows", train)
    if valid is not None:
        check_examples(valid, "validation rows")
        if len(valid.labels):
            check_classes("validation rows", valid)


def check_classes(what: str, rows: Examples) -> None:
    """Raise ``ValueError`` unless there are clicks and non-clicks among the rows."""
    num_clicks, num_rows = int(np.count_nonzero(rows.labels)), len(rows.labels)
    if not 0 < num_clicks < num_rows:
        raise ValueError(
            f"{what} need both classes, got {num_clicks} clicks in {num_rows} rows; "
            "split the log differently"
        )


def _check_targets(targets: NDArray[np.float32], num_rows: int) -> None:
    numbers = real_array("targets", targets)
    if numbers.shape != (num_rows,):
        raise ValueError(
            f"targets must have shape ({num_rows},), one per training row, got {numbers.shape}"
        )
    check_finite("targets", numbers)
