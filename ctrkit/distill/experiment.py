"""One distillation from prepared data to the student's run folder, phase by phase."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ctrkit.data import PreparedData
from ctrkit.distill.cache import LOGIT_BYTES, check_keepable
from ctrkit.distill.config import DistillConfig
from ctrkit.distill.standing import Column, Standing, standings
from ctrkit.distill.teachers import fingerprint_of
from ctrkit.distill.trainer import DistillationTrainer
from ctrkit.files import save_json
from ctrkit.models import CTRModel
from ctrkit.models.catalog import blueprint
from ctrkit.options import check_choice, to_mapping
from ctrkit.serving import Run, record_run
from ctrkit.serving.experiment import Fit, check_parts, difference, new_model, recipe
from ctrkit.serving.folder import (
    CHECKPOINTS,
    CONFIG,
    METRICS,
    claim,
    read_json,
    refuse_unfinished,
)
from ctrkit.serving.space import check_runs
from ctrkit.space import check_disk
from ctrkit.training import Observer, TrainConfig

PHASES = {
    "teacher": ("teacher", "distillation", "finetuning"),
    "alone": ("alone",),
    "distillation": ("distillation", "finetuning"),
    "finetuning": ("finetuning",),
}
"""The phases in order, each with those that are done anew when it is: what builds on it."""

NAMES = {"distillation": "distilled", "finetuning": "finetuned"}
"""What the model that a phase leaves is called, where not as the phase."""

TABLE = "distillation.json"


def phase_folder(out: Path, phase: str | None = None) -> Path:
    """Return where a phase's run lies, or the folder beside `out` that holds all but the last."""
    if phase == "finetuning":
        return out
    named = out if out.name else out.resolve()
    beside = named.with_name(named.name + ".phases")
    return beside if phase is None else beside / NAMES.get(phase, phase)


@dataclass(frozen=True, kw_only=True)
class NewModel:
    """A model that is still to be trained.

    Attributes:
        name: a key of `ctrkit.models.MODELS`, or a class of your own.
        options: keywords of the model.
        train: options of its training.
    """

    name: str | type[CTRModel]
    options: Mapping[str, Any] = field(default_factory=dict)
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True, kw_only=True)
class DistillOutcome:
    """What `distill_run` returns.

    Attributes:
        student: the fine-tuned student, in eval mode.
        standings: teacher, student alone (if wanted), distilled, fine-tuned.
        part: the rows they were measured on, ``"test"`` or, where there are none, ``"valid"``.
    """

    student: CTRModel
    standings: tuple[Standing, ...]
    part: str


def distill_run(
    data: PreparedData,
    *,
    teacher: NewModel | str | Path | Sequence[str | Path],
    student: NewModel,
    config: DistillConfig | None = None,
    out: str | Path,
    models: Iterable[type[CTRModel]] = (),
    alone: bool = True,
    restart: str | None = None,
    observers: Callable[[], Sequence[Observer]] = list,
    say: Callable[[str], None] | None = None,
    command: Sequence[str] = (),
    force: bool = False,
    resume: bool = False,
    check_space: bool = True,
) -> DistillOutcome:
    """Train or take a teacher, distil a student, fine-tune it, and measure all of them.

    `out` becomes the student's run, which is like any other; beside it, ``OUT.phases/`` holds a
    run for each other phase, ``teacher`` (if it was trained here), ``alone`` and ``distilled``,
    and the table. A finished phase with the same recipe is kept, so that a call after an
    interruption goes on where it was.

    Args:
        data: prepared rows.
        teacher: what to train, or the run folder of a finished teacher; several are an ensemble.
        student: the student and the options of its training.
        config: options of the distillation.
        out: folder of the student's run.
        models: classes of your own that finished teachers were made with.
        alone: train the student without a teacher as well, for comparison.
        restart: one of `PHASES`, to do anew though it is finished, with those built on it.
        observers: makes those who are told how a phase goes, for each phase.
        say: is told, in words, which phase begins.
        command: the command line, for ``config.json``.
        force: do everything anew, and replace a finished run.
        resume: go on with an unfinished phase from its last checkpoint, where there is one.
        check_space: refuse what would not fit into memory or on the disk.

    Raises:
        SpaceError: if more memory or disk is needed than is free.
        FileExistsError: if `out` holds something else, or another finished run.
        ValueError: if an option is wrong, a teacher is of another schema, or lies where this would
            write, student and teacher do not fit, or there are no rows to measure on.
        OSError: if the teacher's logits cannot be kept beside the data.
        FloatingPointError: if the loss is not finite.
    """
    if restart is not None:
        check_choice("phase", restart, PHASES)
    if restart == "alone" and not alone:
        raise ValueError("restart 'alone' and no training of the student alone exclude each other")
    if restart == "teacher" and not isinstance(teacher, NewModel):
        raise ValueError(f"restart 'teacher' needs a teacher to train, got the run {teacher}")
    out = Path(out)
    check_parts(data)
    if not len(data.test) and not len(data.valid):
        raise ValueError(
            f"a distillation needs test or validation rows to measure on, {data.path} has none"
        )
    work = _Work(
        data=data,
        student=student,
        config=config or DistillConfig(),
        out=out,
        own=tuple(models),
        anew=frozenset(PHASES if force else PHASES[restart] if restart else ()),
        force=force,
        resume=resume,
        observers=observers,
        say=say or _nothing,
        command=command,
        check_space=check_space,
        alone=alone,
    )
    teachers = work.teacher_models(teacher)
    work.check(teachers)
    return work.run(teachers)


@dataclass(frozen=True)
class _Teacher:
    """Teacher models, trained or not yet; `new` says how to train the one that is not."""

    built: Sequence[CTRModel]
    new: NewModel | None
    folders: Sequence[Path]


@dataclass(frozen=True, kw_only=True)
class _Work:
    data: PreparedData
    student: NewModel
    config: DistillConfig
    out: Path
    own: tuple[type[CTRModel], ...]
    anew: frozenset[str]
    force: bool
    resume: bool
    observers: Callable[[], Sequence[Observer]]
    say: Callable[[str], None]
    command: Sequence[str]
    check_space: bool
    alone: bool

    def teacher_models(self, teacher: NewModel | str | Path | Sequence[str | Path]) -> _Teacher:
        if isinstance(teacher, NewModel):
            self.require_space(teacher)
            model = new_model(self.data, teacher.name, teacher.options, seed=teacher.train.seed)
            return _Teacher([model], teacher, [phase_folder(self.out, "teacher")])
        named = [teacher] if isinstance(teacher, (str, Path)) else teacher
        runs = [
            Run(
                folder,
                device=self.student.train.device,
                check_space=self.check_space,
                models=self.own,
            )
            for folder in named
        ]
        self.require_space(None)
        for run in runs:
            theirs, ours = run.encoder.fingerprint, self.data.encoder.fingerprint
            if theirs != ours:
                path = run.config.get("data", {}).get("path")
                raise ValueError(
                    f"teacher {run.folder} was trained with another schema or vocabulary "
                    f"({theirs[:12]}) than {self.data.path} has ({ours[:12]}); give the prepared "
                    f"data it was trained on ({path}), or name a model"
                )
            if run.config.get("data", {}).get("fingerprint") != self.data.info["fingerprint"]:
                self.say(
                    f"teacher {run.folder} was trained on another preparation than "
                    f"{self.data.path}: it may have learnt from rows it is measured on here"
                )
        return _Teacher([run.model for run in runs], None, [run.folder for run in runs])

    def require_space(self, teacher: NewModel | None) -> None:
        """Make sure that all phases fit, with a teacher to train, or one that is there already."""
        if not self.check_space:
            return
        train = self.student.train
        phases = [
            phase for phase in PHASES if phase != "teacher" and (self.alone or phase != "alone")
        ]
        runs = [(self.blueprint, train, phase_folder(self.out, phase)) for phase in phases]
        if teacher is not None:
            planned = self.planned(teacher)
            runs = [(planned, teacher.train, phase_folder(self.out, "teacher")), *runs]
        check_runs("distillation", self.data, runs, target_bytes=LOGIT_BYTES)
        check_disk(
            "keeping the teacher's logits",
            LOGIT_BYTES * (len(self.data.train) + len(self.data.valid)),
            self.data.path,
        )

    def check(self, teacher: _Teacher) -> None:
        """Make sure, before any phase, that student and teacher fit and folders are ours."""
        self.table_of(teacher.built)
        check_keepable(self.data)
        written = {phase: phase_folder(self.out, phase).resolve() for phase in PHASES}
        for folder in [] if teacher.new else teacher.folders:
            for phase, path in written.items():
                if folder.resolve() == path:
                    raise ValueError(
                        f"teacher {folder} lies where phase {phase!r} would be written; "
                        "give another --out"
                    )
        for phase, path in written.items():
            claim(path, force=True)
            if not self.resume and phase not in self.anew:
                refuse_unfinished(path)
        if (self.out / METRICS).exists() and not self._may_replace(teacher):
            claim(self.out, force=False)

    def _may_replace(self, teacher: _Teacher) -> bool:
        """Return whether a finished run in `out` is ours: of this recipe, or to be done anew."""
        had = read_json(self.out, CONFIG)
        distilled = had.get("distill", {})
        if self.force or distilled.get("phase") != "finetuning":
            return self.force
        if "finetuning" in self.anew:
            return True
        if teacher.new is None:
            same_teacher = distilled.get("teacher") == fingerprint_of(teacher.built)
        else:
            same_teacher = self._is_kept("teacher", teacher.built[0], teacher.new.train, {})
        ours = recipe(self.blueprint, self.config.finetuning(self.student.train), {})
        same_config = to_mapping(self.config).items() <= distilled.items()
        return same_teacher and same_config and difference(had, ours, self.data) is None

    def table_of(self, models: Sequence[CTRModel]) -> str:
        """Return whether the student's table is a ``"copy"`` or its ``"own"``."""
        source = self.trainer().table_source(self.blueprint, _one_or_all(models))
        return "own" if source is None else "copy"

    def trainer(self, observers: Sequence[Observer] = ()) -> DistillationTrainer:
        return DistillationTrainer(self.config, train=self.student.train, observers=observers)

    @cached_property
    def blueprint(self) -> CTRModel:
        """A student without its numbers, for its fields and options."""
        return self.planned(self.student)

    def planned(self, model: NewModel) -> CTRModel:
        return blueprint(model.name, self.data.cardinalities, model.options, where="model options")

    def new_student(self) -> CTRModel:
        student = self.student
        return new_model(self.data, student.name, student.options, seed=student.train.seed)

    def run(self, teacher: _Teacher) -> DistillOutcome:
        data, student = self.data, self.student
        models = teacher.built
        if teacher.new is not None:
            models = [self._phase("teacher", teacher.built[0], teacher.new.train)]
        files = [_checkpoint(folder) for folder in teacher.folders]
        columns: list[Column] = [("teacher", models, files)]
        if self.alone:
            trained = self._phase("alone", self.new_student(), student.train)
            columns.append(self._column("alone", trained))
        described = {
            **to_mapping(self.config),
            "teacher": fingerprint_of(models),
            "table": self.table_of(models),
        }
        distilled = self._phase(
            "distillation",
            self.new_student(),
            self.config.distilling(student.train),
            {"phase": "distillation", **described},
            lambda model, watchers, checkpoints, resume: self.trainer(watchers).distill(
                model, _one_or_all(models), data, checkpoints=checkpoints, resume=resume
            ),
        )
        columns.append(self._column("distillation", distilled))
        finetuned = self._phase(
            "finetuning",
            copy.deepcopy(distilled),
            self.config.finetuning(student.train),
            {"phase": "finetuning", **described, "from": fingerprint_of(distilled)},
            lambda model, watchers, checkpoints, resume: self.trainer(watchers).finetune(
                model, data, checkpoints=checkpoints, resume=resume
            ),
        )
        columns.append(self._column("finetuning", finetuned))
        part = "test" if len(data.test) else "valid"
        table = standings(columns, getattr(data, part), what=part)
        figures = {"rows": part, "models": [entry.to_dict() for entry in table]}
        save_json(phase_folder(self.out) / TABLE, figures)
        return DistillOutcome(student=finetuned.eval(), standings=table, part=part)

    def _phase(
        self,
        phase: str,
        model: CTRModel,
        config: TrainConfig,
        described: Mapping[str, Any] | None = None,
        fit: Fit | None = None,
    ) -> CTRModel:
        """Return the phase's model: that of the finished run with this recipe, or a new one."""
        folder = phase_folder(self.out, phase)
        more = {"distill": dict(described)} if described else {}
        if self._is_kept(phase, model, config, more):
            self.say(f"{phase}: finished already, kept ({folder})")
            own = [type(model)]
            run = Run(folder, device=config.device, check_space=self.check_space, models=own)
            return run.model
        table = ""
        if phase == "distillation":
            is_copy = more["distill"]["table"] == "copy"
            table = ", its table a copy of the teacher's" if is_copy else ", with its own table"
        self.say(f"{phase}: {type(model).__name__}{table}")
        (phase_folder(self.out) / TABLE).unlink(missing_ok=True)  # it was of other weights
        return record_run(
            self.data,
            model,
            fit,
            config=config,
            out=folder,
            observers=self.observers(),
            command=self.command,
            more=more,
            resume=self.resume and phase not in self.anew,
        ).model

    def _is_kept(
        self, phase: str, model: CTRModel, config: TrainConfig, more: Mapping[str, Any]
    ) -> bool:
        """Return whether a phase is finished already, with the same recipe."""
        folder = phase_folder(self.out, phase)
        if phase in self.anew or not (folder / METRICS).exists():
            return False
        had, wanted = read_json(folder, CONFIG), recipe(model, config, more)
        return difference(had, wanted, self.data) is None

    def _column(self, phase: str, model: CTRModel) -> Column:
        files = [_checkpoint(phase_folder(self.out, phase))]
        return NAMES.get(phase, phase), [model], files


def _checkpoint(folder: Path) -> Path:
    return folder / CHECKPOINTS / "best.pt"


def _nothing(text: str) -> None:
    """Tell nobody."""


def _one_or_all(models: Sequence[CTRModel]) -> CTRModel | Sequence[CTRModel]:
    return models[0] if len(models) == 1 else models
