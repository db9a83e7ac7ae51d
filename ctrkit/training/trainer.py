"""Trainer: fit a model to rows, keep the weights that were best on the validation rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctrkit.models import Batch, CTRModel
from ctrkit.training.batches import Examples, id_limits, shuffled_batches
from ctrkit.training.checkpoint import load_tensors, save_tensors, weights_of
from ctrkit.training.compute import choose_device
from ctrkit.training.config import TrainConfig
from ctrkit.training.history import History, Record, TrainResult
from ctrkit.training.metrics import Metrics, compute_metrics
from ctrkit.training.optimizers import table_optimizer
from ctrkit.training.order import TrainingRows, choose_order
from ctrkit.training.schedule import Schedule
from ctrkit.training.scoring import probabilities, score
from ctrkit.training.step import TrainStep


class Observer(Protocol):
    """Is told how a run goes: a progress bar, a TensorBoard writer, a notebook's live plot."""

    def on_start(self, *, total_steps: int, num_rows: int) -> None:
        """Say that training begins, for at most `total_steps` steps."""

    def on_step(self, *, step: int, rows: int, loss: float | None) -> None:
        """Say that a step was made; its loss, in nats per row, is given now and then."""

    def on_validation(self, record: Record) -> None:
        """Say that the validation rows were scored."""

    def on_end(self) -> None:
        """Say that training ended, well or not."""


class Trainer:
    """Trains a model: BCE of the logits, early stopping on validation rows, best weights kept.

    Args:
        config: the options of the run.
        observers: who is told how it goes.

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
        self, config: TrainConfig | None = None, *, observers: Sequence[Observer] = ()
    ) -> None:
        self.config = config or TrainConfig()
        self.observers = tuple(observers)

    def fit(
        self,
        model: CTRModel,
        train: Examples,
        valid: Examples | None = None,
        *,
        checkpoints: str | Path | None = None,
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
            checkpoints: folder for ``best.pt`` and ``last.pt``, written at every validation;
                without it the best weights are kept in memory.
            loss: what to minimise on a batch, a mean over its rows and terms of the weights alone
                (a batch passes in chunks, see ``config.chunk_rows``); ``model.calculate_loss`` if
                not given.
            targets: a number per training row ``(N,)``, handed to `loss` as ``batch.targets``.
            criterion: takes the logits of the validation rows and returns what chooses the best
                weights in place of ``config.monitor``, smaller is better.
            keep_start: score the validation rows before the first step too, so that the weights
                the model came with stay if none are better.

        Raises:
            ValueError: if there are no rows, training or validation rows have one class only, an
                id is out of range, or there is not a target for each row.
            FloatingPointError: if the loss is not finite; names step, step size and checkpoint.
        """
        if valid is not None and len(valid.labels) == 0:
            valid = None
        check_rows(train, valid)
        if targets is not None and targets.shape != (len(train.labels),):
            raise ValueError(
                f"targets must have shape ({len(train.labels)},), one per training row, "
                f"got {targets.shape}"
            )
        aim = _Aim(loss, targets, criterion, keep_start)
        run = _Run(self.config, self.observers, model, train, valid, checkpoints, aim)
        with run.optimize.at_full_speed(), torch.random.fork_rng(_cuda_devices(run.device)):
            torch.manual_seed(self.config.seed)
            return run.train_to_end()


def check_rows(train: Examples, valid: Examples | None) -> None:
    """Make sure, before any work, that rows can be trained on and chosen by.

    Raises:
        ValueError: if there are no training rows, or one class only.
    """
    if len(train.labels) == 0:
        raise ValueError("training needs at least one row, got none")
    require_both_classes("training rows", train)
    if valid is not None:
        require_both_classes("validation rows", valid)


def require_both_classes(what: str, rows: Examples) -> None:
    """Raise ``ValueError`` unless there are clicks and non-clicks among the rows."""
    num_clicks, num_rows = int(np.count_nonzero(rows.labels)), len(rows.labels)
    if not 0 < num_clicks < num_rows:
        raise ValueError(
            f"{what} need both classes, got {num_clicks} clicks in {num_rows} rows; "
            "split the log otherwise"
        )


class _Aim(NamedTuple):
    """What a run minimises, and how its best weights are chosen; see `Trainer.fit`."""

    loss: Callable[[Batch], Tensor] | None
    targets: NDArray[np.float32] | None
    criterion: Callable[[NDArray[np.float32]], float] | None
    keep_start: bool


class _Run:
    """The state of one call of `Trainer.fit`."""

    def __init__(
        self,
        config: TrainConfig,
        observers: Sequence[Observer],
        model: CTRModel,
        train: Examples,
        valid: Examples | None,
        checkpoints: str | Path | None,
        aim: _Aim,
    ) -> None:
        self.config = config = config.for_rows(len(train.labels))
        self.observers = observers
        self.device = choose_device(config.device)
        self.model = model.to(self.device)
        self.order = choose_order(
            config.shuffle,
            TrainingRows(train.ids, train.labels, train.values, aim.targets),
            batch_size=config.batch_size,
            seed=config.seed,
        )
        self.valid_rows = valid
        self.num_rows = self.order.num_rows
        self.keeper = _BestWeights(model, checkpoints)
        self.aim = aim
        self.optimize = TrainStep(self.model, config, aim.loss)
        self.steps_per_epoch = max(1, -(-self.num_rows // config.batch_size))
        self.schedule = Schedule(
            self.optimize.optimizers, config, config.epochs * self.steps_per_epoch
        )
        self.validation_steps = self._validation_steps()
        self.step = 0
        self.since_better = 0
        self.records: list[Record] = []
        self.losses = _LossSum(self.device)
        self.limits = id_limits(model)
        self.began = self.last_validation = time.perf_counter()

    def _validation_steps(self) -> Callable[[int], bool]:
        """Return the test for whether the validation rows are scored after a step."""
        if self.config.validate_every is not None:
            every = self.config.validate_every
            return lambda step: step % every == 0
        parts = min(self.config.validations_per_epoch, self.steps_per_epoch)
        in_epoch = {round(self.steps_per_epoch * part / parts) for part in range(1, parts + 1)}
        return lambda step: (step - 1) % self.steps_per_epoch + 1 in in_epoch

    def train_to_end(self) -> TrainResult:
        for observer in self.observers:
            observer.on_start(
                total_steps=self.config.epochs * self.steps_per_epoch, num_rows=self.num_rows
            )
        try:
            stopped = self._train_epochs()
        finally:
            for observer in self.observers:
                observer.on_end()
        self.keeper.restore()
        return self._result(stopped)

    def _train_epochs(self) -> str:
        if self.aim.keep_start and self.valid_rows is not None:
            self._validate()
        for epoch in range(self.config.epochs):
            for batch in shuffled_batches(
                self.order, limits=self.limits, epoch=epoch, device=self.device
            ):
                self._train_step(batch)
                if self.validation_steps(self.step):
                    self._validate()
                    if self.since_better >= self.config.patience:
                        return f"no better validation in {self.since_better}"
        if not self.records or self.records[-1].step != self.step:
            self._validate()
        return f"all {self.config.epochs} epochs done"

    def _train_step(self, batch: Batch) -> None:
        self.step += 1
        self.schedule.before_step(self.step)
        loss = self.optimize(batch)
        shown = self.losses.add(loss, len(batch.labels), self.step)
        if shown is not None:
            self._require_finite("loss", shown)
        for observer in self.observers:
            observer.on_step(step=self.step, rows=len(batch.labels), loss=shown)

    def _require_finite(self, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        raise FloatingPointError(
            f"{what} must be finite, got {value} by step {self.step} with learning rate "
            f"{self.schedule.learning_rate:.3g}; lower learning_rate or set clip_norm. "
            f"{self.keeper.where()}"
        )

    def _score_valid(self) -> tuple[Metrics | None, float | None]:
        """Return the metrics on the validation rows and their criterion, where there are such."""
        if self.valid_rows is None:
            return None, None
        logits = score(self.model, self.valid_rows, precision=self.config.precision)
        self._require_finite("validation logits", float(logits.sum(dtype=np.float64)))
        metrics = compute_metrics(np.asarray(self.valid_rows.labels), probabilities(logits))
        return metrics, self.aim.criterion(logits) if self.aim.criterion else None

    def _validate(self) -> None:
        now = time.perf_counter()
        train_loss, rows = self.losses.mean_since_last()
        if train_loss is not None:
            self._require_finite("loss", train_loss)
        metrics, criterion = self._score_valid()
        record = Record(
            step=self.step,
            epoch=self.step / self.steps_per_epoch,
            train_loss=train_loss,
            valid_auc=None if metrics is None else metrics.auc,
            valid_logloss=None if metrics is None else metrics.logloss,
            valid_criterion=criterion,
            learning_rate=self.schedule.learning_rate,
            rows_per_second=rows / (now - self.last_validation) if rows else None,
            elapsed_seconds=time.perf_counter() - self.began,
            best=False,
        )
        record = replace(record, best=self._is_better(record))
        plateau_monitor = self.config.plateau_monitor
        self.schedule.after_validation(
            record.best if plateau_monitor is None else self._is_record(record, plateau_monitor)
        )
        self.records.append(record)
        self.keeper.keep(record.best)
        self.since_better = 0 if record.best else self.since_better + 1
        self.last_validation = time.perf_counter()
        for observer in self.observers:
            observer.on_validation(record)

    def _is_better(self, record: Record) -> bool:
        """Return whether the weights are better than all before; without validation they are."""
        if record.valid_criterion is not None:
            return self._is_record(record, "criterion")
        return self._is_record(record, self.config.monitor)

    def _is_record(self, record: Record, figure: str) -> bool:
        """Return whether no earlier validation had as good a ``valid_...`` figure."""

        def badness(of: Record) -> float:
            value: float = getattr(of, f"valid_{figure}")
            return -value if figure == "auc" else value

        if record.valid_auc is None:
            return True
        return all(badness(record) < badness(old) for old in self.records)

    def _result(self, stopped: str) -> TrainResult:
        return TrainResult(
            best=next(record for record in reversed(self.records) if record.best),
            history=History(tuple(self.records)),
            epochs=self.step / self.steps_per_epoch,
            steps=self.step,
            seconds=time.perf_counter() - self.began,
            num_parameters=sum(p.numel() for p in self.model.parameters()),
            stopped=stopped,
            settings={
                "device": str(self.device),
                "shuffle": self.order.name,
                "table_l2": self.config.table_l2,
                "table_optimizer": table_optimizer(self.model, self.config),
                "threads": torch.get_num_threads(),
            },
        )


class _LossSum:
    """Sums losses on the device; reads one only now and then, for a read waits for the device."""

    READ_EVERY = 20

    def __init__(self, device: torch.device) -> None:
        self._sum = torch.zeros((), dtype=torch.float64, device=device)
        self._rows = 0

    def add(self, loss: Tensor, rows: int, step: int) -> float | None:
        self._sum += loss.double() * rows
        self._rows += rows
        return float(loss) if step % self.READ_EVERY == 0 else None

    def mean_since_last(self) -> tuple[float | None, int]:
        """Return the mean loss and the number of rows since the last call; no rows have no mean."""
        rows = self._rows
        mean = float(self._sum) / rows if rows else None
        self._sum.zero_()
        self._rows = 0
        return mean, rows


CHECKPOINT_NAMES = ("best.pt", "last.pt")


class _BestWeights:
    """Keeps the best weights, in a folder where there is one, else in memory."""

    def __init__(self, model: CTRModel, folder: str | Path | None) -> None:
        self.model = model
        self.folder = None if folder is None else Path(folder)
        self._in_memory: dict[str, Tensor] | None = None
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in CHECKPOINT_NAMES:  # an earlier run's would be taken for this one's
                (self.folder / name).unlink(missing_ok=True)

    def keep(self, is_best: bool) -> None:
        if self.folder is None:
            if is_best:
                self._in_memory = None  # or the table would be there three times
                self._in_memory = weights_of(self.model)
            return
        content = {"model": self.model.state_dict()}
        save_tensors(self.folder / "last.pt", content)
        if is_best:
            save_tensors(self.folder / "best.pt", content)

    def restore(self) -> None:
        weights: dict[str, Any] | None = self._in_memory
        if self.folder is not None:
            weights = load_tensors(self.folder / "best.pt")["model"]
        if weights is not None:
            self.model.load_state_dict(weights)

    def where(self) -> str:
        if self.folder is not None and (self.folder / "best.pt").exists():
            return f"The last good checkpoint is {self.folder / 'best.pt'}."
        if self._in_memory is not None:
            self.restore()
            return "The model holds the weights of its best validation again."
        return "There is no good checkpoint yet: it failed before the first validation."


def _cuda_devices(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []
