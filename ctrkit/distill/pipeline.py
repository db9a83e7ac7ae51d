"""One distillation from prepared data to the student's run folder, phase by phase.

``OUT`` becomes the student's run, which is like any other; beside it, ``OUT.phases/`` holds a run
for each other phase, ``teacher`` (if it was trained here), ``alone`` and ``distilled``, and the
table. A finished phase with the same recipe is kept, so a call after an interruption continues
there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ctrkit.data import PreparedData
from ctrkit.distill.comparison import ComparedModel, Contender, compare_models
from ctrkit.distill.config import DistillConfig
from ctrkit.distill.phases import PHASES, TABLE, Phases, checkpoint_of, phase_folder
from ctrkit.distill.teacher_logits import LOGIT_BYTES, check_keepable
from ctrkit.distill.teachers import fingerprint_of
from ctrkit.distill.trainer import DistillationTrainer
from ctrkit.files import save_json
from ctrkit.machine import check_disk
from ctrkit.models import CTRModel
from ctrkit.options import check_choice, to_mapping
from ctrkit.runs import (
    CONFIG,
    METRICS,
    Baseline,
    Hint,
    Recipe,
    Run,
    check_parts,
    check_runs,
    claim,
    read_baseline,
    read_hints,
    read_json,
)
from ctrkit.training import Observer


@dataclass(frozen=True, kw_only=True)
class DistillOutcome:
    """What `distill_run` returns.

    Attributes:
        student: the fine-tuned student, in eval mode.
        comparison: teacher, student alone (if wanted), distilled, fine-tuned.
        part: the rows they were measured on, ``"test"``, or ``"valid"`` if there are none.
        baseline: what they are compared with, if anything.
        hints: what the figures of the student say about it.
    """

    student: CTRModel
    comparison: tuple[ComparedModel, ...]
    part: str
    baseline: Baseline | None = None
    hints: Sequence[Hint] = ()


def distill_run(
    data: PreparedData,
    *,
    teacher: Recipe | str | Path | Sequence[str | Path],
    student: Recipe,
    config: DistillConfig | None = None,
    out: str | Path,
    models: Iterable[type[CTRModel]] = (),
    alone: bool = True,
    restart: str | None = None,
    observers: Callable[[], Sequence[Observer]] = list,
    say: Callable[[str], object] = str,
    command: Sequence[str] = (),
    force: bool = False,
    resume: bool = False,
    check_space: bool = True,
    baseline: bool = True,
) -> DistillOutcome:
    """Train or take a teacher, distil a student, fine-tune it, and measure all of them.

    Args:
        data: prepared rows.
        teacher: what to train, or the folder of a finished run; several are an ensemble.
        student: the student and the options of its training.
        config: options of the distillation.
        out: folder of the student's run; the other phases lie in ``OUT.phases/`` beside it.
        models: classes of your own that finished teachers were made with.
        alone: also train the student without a teacher, for comparison.
        restart: one of `PHASES`, to repeat though it is finished, with those built on it.
        observers: makes the callbacks that are told about the progress of a phase.
        say: called with a line of text when a phase begins.
        command: the command line, for ``config.json``.
        force: repeat everything, and replace a finished run.
        resume: continue an unfinished phase from its last checkpoint.
        check_space: refuse jobs that would not fit in memory or on disk.
        baseline: compare the models with a logistic regression.

    Raises:
        SpaceError: if more memory or disk is needed than is free.
        FileExistsError: if `out` holds something else, or another finished run.
        ValueError: if an option, a teacher or its folder does not fit, or rows are missing.
        OSError: if the teacher's logits cannot be kept beside the data.
    """
    _check_restart(restart, teacher, alone=alone)
    _check_rows(data)
    opened = _open_teacher(teacher, data, student.train.device, models, check_space)
    phases = Phases(
        data=data,
        out=Path(out),
        anew=frozenset(PHASES if force else PHASES[restart] if restart else ()),
        resume=resume,
        observers=observers,
        say=say,
        command=command,
        check_space=check_space,
        baseline=baseline,
    )
    work = _Distillation(config or DistillConfig(), student.on(data), phases, alone=alone)
    work.check(opened, force=force)
    return work.run(opened)


def _check_rows(data: PreparedData) -> None:
    check_parts(data)
    if not len(data.test) and not len(data.valid):
        raise ValueError(
            f"a distillation needs test or validation rows to measure on, {data.path} has none"
        )


def _check_restart(restart: str | None, teacher: Any, *, alone: bool) -> None:
    if restart is not None:
        check_choice("phase", restart, PHASES)
    if restart == "alone" and not alone:
        raise ValueError(
            "restart 'alone' (--restart alone) needs the student trained alone; "
            "drop alone=False (--no-alone)"
        )
    if restart == "teacher" and not isinstance(teacher, Recipe):
        raise ValueError(f"restart 'teacher' needs a teacher to train, got the run {teacher}")


@dataclass(frozen=True)
class _Teacher:
    """Teachers of finished runs; or a recipe of one to train, and its model without numbers."""

    models: Sequence[CTRModel]
    recipe: Recipe | None = None
    runs: Sequence[Run] = ()


def _open_teacher(
    teacher: Recipe | str | Path | Sequence[str | Path],
    data: PreparedData,
    device: str,
    own: Iterable[type[CTRModel]],
    check_space: bool,
) -> _Teacher:
    if isinstance(teacher, Recipe):
        bound = teacher.on(data)
        return _Teacher([bound.blueprint()], recipe=bound)
    folders = [teacher] if isinstance(teacher, (str, Path)) else teacher
    own = tuple(own)
    runs = [Run(folder, device=device, check_space=check_space, models=own) for folder in folders]
    return _Teacher([run.model for run in runs], runs=runs)


@dataclass(frozen=True)
class _Distillation:
    config: DistillConfig
    student: Recipe
    phases: Phases
    alone: bool

    @property
    def data(self) -> PreparedData:
        return self.phases.data

    @cached_property
    def finetuning(self) -> Recipe:
        """The last phase, without the weights that it begins with."""
        return replace(self.student, train=self.config.finetuning(self.student.train))

    def check(self, teacher: _Teacher, *, force: bool) -> None:
        """Check, before any phase, all that can be."""
        if self.phases.check_space:
            self.check_space(teacher)
        self.check_teacher(teacher)
        self.check_folders(teacher, force=force)

    def check_space(self, teacher: _Teacher) -> None:
        """Check that all phases fit, with a new or a finished teacher."""
        planned = self.student.blueprint()
        runs = [
            (planned, self.student.train, self.phases.folder(phase))
            for phase in PHASES
            if phase != "teacher" and (self.alone or phase != "alone")
        ]
        if teacher.recipe is not None:
            (model,), train = teacher.models, teacher.recipe.train
            runs = [(model, train, self.phases.folder("teacher")), *runs]
        check_runs("distillation", self.data, runs, target_bytes=LOGIT_BYTES)
        check_disk(
            "keeping the teacher's logits",
            LOGIT_BYTES * (len(self.data.train) + len(self.data.valid)),
            self.data.path,
        )

    def check_teacher(self, teacher: _Teacher) -> None:
        """Check that the teacher's rows are the student's, and that their tables fit."""
        for run in teacher.runs:
            theirs, ours = run.encoder.fingerprint, self.data.encoder.fingerprint
            if theirs != ours:
                path = run.config.get("data", {}).get("path")
                raise ValueError(
                    f"teacher {run.folder} was trained with another schema or vocabulary "
                    f"({theirs[:12]}) than {self.data.path} has ({ours[:12]}); give the prepared "
                    f"data it was trained on ({path}), or name a model"
                )
            if run.config.get("data", {}).get("fingerprint") != self.data.info["fingerprint"]:
                self.phases.say(
                    f"teacher {run.folder} was trained on another preparation than "
                    f"{self.data.path}: it may have learnt from rows it is measured on here"
                )
        self.copies_table(teacher.models)

    def check_folders(self, teacher: _Teacher, *, force: bool) -> None:
        """Check that all outputs may be written."""
        check_keepable(self.data)
        for run in teacher.runs:
            for phase in PHASES:
                if run.folder.resolve() == self.phases.folder(phase).resolve():
                    raise ValueError(
                        f"teacher {run.folder} lies where phase {phase!r} would be written; "
                        "give another --out"
                    )
        self.phases.claim()
        out = self.phases.out
        if (out / METRICS).exists() and not (force or self._is_ours(out, teacher)):
            claim(out, force=False)

    def _is_ours(self, out: Path, teacher: _Teacher) -> bool:
        """Return whether a finished run is a student of this recipe, or one to be repeated."""
        had = read_json(out, CONFIG)
        distilled = had.get("distill", {})
        if distilled.get("phase") != "finetuning":
            return False
        if "finetuning" in self.phases.anew:
            return True
        if teacher.recipe is None:
            same_teacher = distilled.get("teacher") == fingerprint_of(teacher.models)
        else:
            same_teacher = self.phases.is_kept("teacher", teacher.recipe)
        same_config = to_mapping(self.config).items() <= distilled.items()
        return same_teacher and same_config and self.finetuning.difference(had) is None

    def copies_table(self, teacher: Sequence[CTRModel]) -> bool:
        """Return whether the student's table is a copy of the teacher's."""
        student = self.student.blueprint()
        return self._trainer().table_source(student, _one_or_all(teacher)) is not None

    def _trainer(self, observers: Sequence[Observer] = ()) -> DistillationTrainer:
        return DistillationTrainer(self.config, train=self.student.train, observers=observers)

    def run(self, teacher: _Teacher) -> DistillOutcome:
        phases, models = self.phases, teacher.models
        folders = [run.folder for run in teacher.runs]
        if teacher.recipe is not None:
            models = [phases.trained("teacher", teacher.recipe)]
            folders = [phases.folder("teacher")]
        contenders: list[Contender] = [
            ("teacher", models, [checkpoint_of(folder) for folder in folders])
        ]
        if self.alone:
            contenders.append(phases.contender("alone", phases.trained("alone", self.student)))
        described = {
            **to_mapping(self.config),
            "teacher": fingerprint_of(models),
            "table": "copy" if self.copies_table(models) else "own",
        }
        distilled = self._distilled(models, described)
        contenders.append(phases.contender("distillation", distilled))
        student = self._finetuned(distilled, described)
        contenders.append(phases.contender("finetuning", student))
        part = "test" if len(self.data.test) else "valid"
        table = compare_models(contenders, getattr(self.data, part), what=part)
        baseline = read_baseline(phases.out)
        compared = {} if baseline is None else {"baseline": baseline.to_dict()}
        figures = {"rows": part, "models": [entry.to_dict() for entry in table], **compared}
        save_json(phase_folder(phases.out) / TABLE, figures)
        return DistillOutcome(
            student=student.eval(),
            comparison=table,
            part=part,
            baseline=baseline,
            hints=read_hints(phases.out),
        )

    def _distilled(self, teacher: Sequence[CTRModel], described: Mapping[str, Any]) -> CTRModel:
        recipe = replace(
            self.student,
            train=self.config.distilling(self.student.train),
            distill={"phase": "distillation", **described},
        )
        model = self.phases.kept("distillation", recipe)
        if model is not None:
            return model
        model = recipe.new_model()
        is_copy = described["table"] == "copy"
        note = ", its table a copy of the teacher's" if is_copy else ", with its own table"
        with self.phases.recording("distillation", recipe, note) as run:
            result = self._trainer(run.observers).distill(
                model,
                _one_or_all(teacher),
                self.data,
                checkpoints=run.checkpoints,
                resume=run.resume,
            )
            return run.finish(model, result).model

    def _finetuned(self, distilled: CTRModel, described: Mapping[str, Any]) -> CTRModel:
        origin = {"from": fingerprint_of(distilled)}
        recipe = replace(self.finetuning, distill={"phase": "finetuning", **described, **origin})
        model = self.phases.kept("finetuning", recipe)
        if model is not None:
            return model
        model = copy.deepcopy(distilled)
        with self.phases.recording("finetuning", recipe) as run:
            result = self._trainer(run.observers).finetune(
                model, self.data, checkpoints=run.checkpoints, resume=run.resume
            )
            return run.finish(model, result).model


def _one_or_all(models: Sequence[CTRModel]) -> CTRModel | Sequence[CTRModel]:
    return models[0] if len(models) == 1 else models
