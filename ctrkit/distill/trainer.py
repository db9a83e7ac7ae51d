"""DistillationTrainer: any teacher, any student, in phases that restart one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctrkit.distill.agreement import rmse
from ctrkit.distill.config import DistillConfig
from ctrkit.distill.losses import distillation_loss
from ctrkit.distill.teacher_logits import TeacherLogits, teacher_logits, valid_rows
from ctrkit.distill.teachers import Teacher, models_of
from ctrkit.machine import choose_device
from ctrkit.models import CTRModel, common_tables, take_table
from ctrkit.training import Observer, TrainConfig, Trainer, TrainResult, check_rows


@dataclass(frozen=True)
class DistillResult:
    """What `DistillationTrainer.fit` returns: the results of its two phases."""

    distillation: TrainResult
    finetuning: TrainResult


class DistillationTrainer:
    """Makes a student of any ctrkit model learn from any teacher.

    In ``distill`` it learns the teacher's logits; in ``finetune`` the clicks alone, its table
    included; ``fit`` is both. Each phase is a call of its own on the student as it is, so that
    one can be repeated without the other.

    The teacher is run once, in eval mode and without gradients, and its logits are kept beside
    the prepared data (see `teacher_logits`); it is never run again, and nothing changes it.

    Source: Tian et al., "Directed Acyclic Graph Factorization Machines for CTR Prediction via
    Knowledge Distillation", WSDM 2023 (arXiv 2211.11159).

    Args:
        config: loss, table and selection of the distillation.
        train: options with which one would train the student alone; those of the two phases
            follow from them, see `DistillConfig.distilling` and `DistillConfig.finetuning`.
        observers: callbacks that are told about progress.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> import torch
        >>> from ctrkit.models import CrossNet, DAGFM
        >>> _ = torch.manual_seed(1)
        >>> ids = np.arange(64).reshape(-1, 1) % 2
        >>> rows = SimpleNamespace(ids=ids, labels=ids[:, 0], values=None)
        >>> data = SimpleNamespace(train=rows, valid=rows)
        >>> teacher, student = CrossNet([2], embedding_dim=4), DAGFM([2], embedding_dim=4)
        >>> trainer = DistillationTrainer(train=TrainConfig(epochs=2, batch_size=16))
        >>> trainer.fit(student, teacher, data).finetuning.best.valid_auc
        1.0
    """

    def __init__(
        self,
        config: DistillConfig | None = None,
        *,
        train: TrainConfig | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.config = config or DistillConfig()
        self.train = train or TrainConfig()
        self.observers = tuple(observers)

    def fit(self, student: CTRModel, teacher: Teacher, data: Any) -> DistillResult:
        """Distil and fine-tune `student` in place.

        Args:
            student: any model but the teacher itself.
            teacher: a model, several (the mean of their logits), or a callable
                ``ids (B, S) -> logits (B,)`` (``ids, values`` where the data has values).
            data: prepared data, or any object whose ``train`` and ``valid`` are encoded rows.

        Raises:
            ValueError: see `distill`.
            FloatingPointError: if the loss is not finite.
        """
        return DistillResult(
            distillation=self.distill(student, teacher, data),
            finetuning=self.finetune(student, data),
        )

    def distill(
        self,
        student: CTRModel,
        teacher: Teacher,
        data: Any,
        *,
        checkpoints: str | Path | None = None,
        resume: bool = False,
    ) -> TrainResult:
        """Train `student` on the teacher's logits; leaves it with its best weights.

        A table copied from the teacher is frozen while this lasts. `checkpoints` and `resume`
        are those of `Trainer.fit`.

        Raises:
            ValueError: if the student is the teacher, cannot take its table, there are no rows to
                learn from, or the teacher's logits are not finite.
            FloatingPointError: if the loss is not finite.
        """
        config = self.config.distilling(self.train)
        choose_device(config.device)
        check_rows(data.train, valid_rows(data))
        copied_from = self.table_source(student, teacher)
        logits = teacher_logits(teacher, data)
        copies = [] if copied_from is None else take_table(copied_from, student)
        for embedding in copies:
            embedding.requires_grad_(False)
        try:
            return Trainer(config, observers=self.observers).fit(
                student,
                data.train,
                valid_rows(data),
                checkpoints=checkpoints,
                resume=resume,
                loss=distillation_loss(student, self.config),
                targets=logits.train,
                criterion=self._criterion(logits),
            )
        finally:
            for embedding in copies:
                embedding.requires_grad_(True)

    def finetune(
        self,
        student: CTRModel,
        data: Any,
        *,
        checkpoints: str | Path | None = None,
        resume: bool = False,
    ) -> TrainResult:
        """Train `student` on the clicks, its table included; leaves it with its best weights.

        These are the ones it came with if no validation of the fine-tuning is better.

        Raises:
            ValueError: if there are no rows to learn from.
            FloatingPointError: if the loss is not finite.
        """
        config = self.config.finetuning(self.train)
        return Trainer(config, observers=self.observers).fit(
            student,
            data.train,
            valid_rows(data),
            checkpoints=checkpoints,
            resume=resume,
            keep_start=True,
        )

    def table_source(self, student: CTRModel, teacher: Teacher) -> CTRModel | None:
        """Return the model whose table the student takes over, None where it has its own.

        Raises:
            ValueError: if the config asks for a copy that cannot be made, or student and teacher
                are one object.
        """
        models = models_of(teacher) or ()
        if any(model is student for model in models):
            raise ValueError("teacher and student must be two models, got one object for both")
        if self.config.student_table == "own":
            return None
        if len(models) != 1:
            if self.config.student_table == "copy":
                kind = f"an ensemble of {len(models)} models" if models else "a callable"
                raise ValueError(
                    "student_table 'copy' needs a teacher that is one model, "
                    f"got {kind}; take 'own' or 'auto'"
                )
            return None
        try:
            common_tables(models[0], student)
        except ValueError:
            if self.config.student_table == "copy":
                raise
            return None
        return models[0]

    def _criterion(self, logits: TeacherLogits) -> Callable[[NDArray[np.float32]], float] | None:
        if self.config.select_by == "auc" or logits.valid is None:
            return None
        return partial(rmse, logits.valid)
