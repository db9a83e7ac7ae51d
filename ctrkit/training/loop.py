"""The loop of one call of `Trainer.fit`, from its first step or a checkpoint to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctrkit.machine import Interrupted, Interruption, choose_device, on_huge_pages
from ctrkit.metrics import Metrics, compute_metrics
from ctrkit.models import Batch, CTRModel
from ctrkit.options import to_mapping
from ctrkit.rows import Rows
from ctrkit.training.checkpoints import BestWeights, Checkpoints
from ctrkit.training.config import CHECKPOINT_OPTIONS, TrainConfig
from ctrkit.training.early_stopping import EarlyStopping
from ctrkit.training.history import History, Record, TrainResult
from ctrkit.training.input import Examples, choose_order, id_limits, shuffled_batches
from ctrkit.training.observer import Observer
from ctrkit.training.optimizers import table_optimizer
from ctrkit.training.ranks import Ranks
from ctrkit.training.schedule import Schedule
from ctrkit.training.scoring import probabilities, score
from ctrkit.training.start import set_start
from ctrkit.training.state import check_state, optimizer_state
from ctrkit.training.step import TrainStep


class Aim(NamedTuple):
    """What a run minimises, and how its best weights are chosen; see `Trainer.fit`."""

    loss: Callable[[Batch], Tensor] | None
    targets: NDArray[np.float32] | None
    criterion: Callable[[NDArray[np.float32]], float] | None
    keep_start: bool


class Loop:
    """The state of one call of `Trainer.fit`."""

    def __init__(
        self,
        config: TrainConfig,
        observers: Sequence[Observer],
        model: CTRModel,
        train: Examples,
        valid: Examples | None,
        folder: Path | None,
        aim: Aim,
        ranks: Ranks,
    ) -> None:
        self.config = config = config.for_rows(len(train.labels))
        self.ranks = ranks
        self.observers = observers if ranks.writes else ()
        self.device = choose_device(config.device)
        self.model = model.to(self.device)
        self.order = choose_order(
            config.shuffle,
            Rows(train.ids, train.labels, train.values, aim.targets),
            batch_size=config.batch_size,
            seed=config.seed,
        )
        self.train_rows, self.valid_rows = train, valid
        self.num_rows = self.order.num_rows
        self.best = BestWeights(model, folder, writes=ranks.writes)
        self.checkpoints: Checkpoints | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            keep = config.keep_checkpoints
            self.checkpoints = Checkpoints(folder, keep, writes=ranks.writes)
        self.interruption = Interruption()
        self.aim = aim
        self.optimize = TrainStep(self.model, config, aim.loss)
        self.steps_per_epoch = max(1, -(-self.num_rows // config.batch_size))
        self.schedule = Schedule(
            self.optimize.optimizers, config, config.epochs * self.steps_per_epoch
        )
        self.validation_steps = self._validation_steps()
        self.step = 0
        self.stopping = EarlyStopping(config)
        self.losses = _LossSum(self.device)
        self.limits = id_limits(model)
        self.began = self.last_validation = self.last_checkpoint = time.perf_counter()

    def _validation_steps(self) -> Callable[[int], bool]:
        """Return the test for whether the validation rows are scored after a step."""
        if self.config.validate_every is not None:
            every = self.config.validate_every
            return lambda step: step % every == 0
        parts = min(self.config.validations_per_epoch, self.steps_per_epoch)
        in_epoch = {round(self.steps_per_epoch * part / parts) for part in range(1, parts + 1)}
        return lambda step: (step - 1) % self.steps_per_epoch + 1 in in_epoch

    def train_to_end(self, *, resume: bool) -> TrainResult:
        """Begin, or resume from the last checkpoint, and train until the run stops."""
        is_new = self.checkpoints is None or not self._open(self.checkpoints, resume=resume)
        if is_new:
            set_start(self.model, self.config.start, self.train_rows, self.valid_rows)
        epochs, steps = divmod(self.step, self.steps_per_epoch)
        for observer in self.observers:
            observer.on_start(
                total_steps=self.config.epochs * self.steps_per_epoch,
                num_rows=self.num_rows,
                done_rows=epochs * self.num_rows + steps * self.config.batch_size,
            )
            for record in self.stopping.records:
                observer.on_validation(record)
        try:
            with nullcontext() if self.checkpoints is None else self.interruption:
                stopped = self._train_epochs()
        finally:
            for observer in self.observers:
                observer.on_end()
        self.ranks.wait()  # for the best weights, which the first process writes
        self.best.end()
        return self._result(stopped)

    def _open(self, checkpoints: Checkpoints, *, resume: bool) -> bool:
        """Resume from the last checkpoint, or remove what an earlier run has left.

        Returns:
            Whether there was a checkpoint.
        """
        path = self.ranks.first(checkpoints.newest() if resume else None)
        if path is None:
            checkpoints.clear()
            self.best.clear()
            return False
        state = checkpoints.load(path)
        try:
            check_state(
                state,
                recipe=self._recipe(),
                model=self.model,
                optimizers=self.optimize.optimizers,
                last_step=self.config.epochs * self.steps_per_epoch,
                figures={
                    "valid_auc": self.valid_rows is not None,
                    "valid_logloss": self.valid_rows is not None,
                    "valid_criterion": self.valid_rows is not None
                    and self.aim.criterion is not None,
                },
            )
            self._restore(state)
        except (ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
            raise ValueError(
                f"{path} must be a checkpoint of this run: {error}; "
                "resume with the same options, or start over"
            ) from error
        if self.stopping.records:
            self.best.check()
        return True

    def _train_epochs(self) -> str:
        """Make all remaining steps, and return why they ended."""
        if self.aim.keep_start and self.valid_rows is not None and not self.stopping.records:
            self._validate()
        if self.step and self._validates_and_stops():
            return self.stopping.why()
        for epoch in range(self.step // self.steps_per_epoch, self.config.epochs):
            batches = shuffled_batches(
                self.order,
                limits=self.limits,
                epoch=epoch,
                device=self.device,
                first=self.step % self.steps_per_epoch,
            )
            with closing(batches):  # or its thread would outlive an error
                for batch in batches:
                    self._train_step(batch)
                    signal_number, is_due = self.ranks.largest(
                        self.interruption.signal_number or 0, self._is_checkpoint_due()
                    )
                    if signal_number:
                        self._leave(signal_number)
                    if self._validates_and_stops():
                        return self.stopping.why()
                    if is_due:
                        self._save()
        if not self._is_validated():
            self._validate()
        return f"all {self.config.epochs} epochs done"

    def _validates_and_stops(self) -> bool:
        """Validate if due after this step, and return whether the run stops."""
        if not self._is_validated() and self.validation_steps(self.step):
            self._validate()
        return self._is_validated() and self.stopping.stops

    def _is_validated(self) -> bool:
        records = self.stopping.records
        return bool(records) and records[-1].step == self.step

    def _is_checkpoint_due(self) -> bool:
        steps, minutes = self.config.checkpoint_steps, self.config.checkpoint_minutes
        if self.checkpoints is None:
            return False
        if steps is not None and self.step % steps == 0:
            return True
        return time.perf_counter() - self.last_checkpoint >= 60 * minutes

    def _save(self) -> Path:
        """Write a checkpoint of the state after this step."""
        assert self.checkpoints is not None
        path = self.checkpoints.save(self.step, self._state())
        self.last_checkpoint = time.perf_counter()
        return path

    def _leave(self, signal_number: int) -> NoReturn:
        """Write a checkpoint and raise ``Interrupted``."""
        path = self._save()
        raise Interrupted(
            f"interrupted after step {self.step}, whose state is in {path}", signal_number
        )

    def _recipe(self) -> dict[str, Any]:
        """Return what a run must have in common with the one that it resumes from."""
        options = to_mapping(self.config)
        for name in CHECKPOINT_OPTIONS:
            del options[name]
        chosen = {"rows": self.num_rows, "shuffle": self.order.name}
        return {**options, **chosen, "chunk_rows": self.optimize.chunk_rows}

    def _state(self) -> dict[str, Any]:
        """Return all that later steps and reports depend on."""
        now = time.perf_counter()
        return {
            "recipe": self._recipe(),
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimize.optimizers],
            "schedule": self.schedule.state(),
            "losses": self.losses.state(),
            "generators": _generator_states(self.device),
            "records": [asdict(record) for record in self.stopping.records],
            "seconds": now - self.began,
            "seconds_since_validation": now - self.last_validation,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimize.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state(optimizer, saved, _copied))
        self.schedule.restore(state["schedule"])
        self.losses.restore(state["losses"])
        _set_generators(self.device, state["generators"])
        self.step = state["step"]
        for record in state["records"]:
            self.stopping.add(Record(**record))
        now = time.perf_counter()
        self.began = now - state["seconds"]
        self.last_validation = now - state["seconds_since_validation"]

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
        (is_bad,) = self.ranks.largest(not math.isfinite(value))
        if not is_bad:
            return
        raise FloatingPointError(
            f"{what} must be finite, got {value} by step {self.step} with learning rate "
            f"{self.schedule.learning_rate:.3g}; lower learning_rate or set clip_norm. "
            f"{self.best.where()}"
        )

    def _score_valid(self) -> tuple[Metrics | None, float | None]:
        """Return the metrics on the validation rows and their criterion, if any."""
        if self.valid_rows is None:
            return None, None
        logits = score(self.model, self.valid_rows, precision=self.config.precision)
        self._require_finite("validation logits", float(logits.sum(dtype=np.float64)))
        metrics = compute_metrics(np.asarray(self.valid_rows.labels), probabilities(logits))
        return metrics, self.aim.criterion(logits) if self.aim.criterion else None

    def _validate(self) -> None:
        now = time.perf_counter()
        train_loss, rows = self.losses.mean()
        if train_loss is not None:
            self._require_finite("loss", train_loss)
        try:
            # A process must not leave while the others wait for its next answer.
            with self.interruption.at_once() if self.ranks.size == 1 else nullcontext():
                metrics, criterion = self._score_valid()
        except KeyboardInterrupt:
            if self.interruption.signal_number is not None:
                self._leave(self.interruption.signal_number)  # as if not validated yet
            raise
        self.losses.clear()
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
        record = self.ranks.first(record)
        plateau_monitor = self.config.plateau_monitor
        improves = plateau_monitor is not None and self.stopping.is_best(record, plateau_monitor)
        record = self.stopping.add(record)
        self.schedule.after_validation(record.best if plateau_monitor is None else improves)
        if record.best:
            self.best.keep()
        self.last_validation = time.perf_counter()
        for observer in self.observers:
            observer.on_validation(record)

    def _result(self, stopped: str) -> TrainResult:
        return TrainResult(
            best=next(record for record in reversed(self.stopping.records) if record.best),
            history=History(tuple(self.stopping.records)),
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
    """Sums losses on the device; reads one only now and then: a read waits for it."""

    READ_EVERY = 20

    def __init__(self, device: torch.device) -> None:
        self._sum = torch.zeros((), dtype=torch.float64, device=device)
        self._rows = 0

    def add(self, loss: Tensor, rows: int, step: int) -> float | None:
        self._sum += loss.double() * rows
        self._rows += rows
        return float(loss) if step % self.READ_EVERY == 0 else None

    def mean(self) -> tuple[float | None, int]:
        """Return the mean loss, None without rows, and the number of rows since `clear`."""
        return float(self._sum) / self._rows if self._rows else None, self._rows

    def clear(self) -> None:
        self._sum.zero_()
        self._rows = 0

    def state(self) -> dict[str, Any]:
        return {"sum": float(self._sum), "rows": self._rows}

    def restore(self, state: dict[str, Any]) -> None:
        self._sum.fill_(state["sum"])
        self._rows = state["rows"]


def _generator_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the generators that steps on a device draw from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_generators(device: torch.device, states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


def _copied(value: Tensor) -> Tensor:
    """Return a copy on huge pages, as the lazy optimizers' own state; the others do not mind."""
    return on_huge_pages(torch.empty_like(value)).copy_(value)
