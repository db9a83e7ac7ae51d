"""The phases of a distillation: each is a run, and a finished one is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctrkit.data import PreparedData
from ctrkit.distill.comparison import Contender
from ctrkit.models import CTRModel, class_of
from ctrkit.runs import (
    CHECKPOINTS,
    CONFIG,
    METRICS,
    Recipe,
    Recording,
    Run,
    claim,
    read_json,
    recording,
    refuse_unfinished,
)
from ctrkit.training import Observer, Trainer

PHASES: Mapping[str, tuple[str, ...]] = {
    "teacher": ("teacher", "distillation", "finetuning"),
    "alone": ("alone",),
    "distillation": ("distillation", "finetuning"),
    "finetuning": ("finetuning",),
}
"""The phases in order, each with those that are repeated when it is: what builds on it."""

RESULTS = {"distillation": "distilled", "finetuning": "finetuned"}
"""What the model that a phase leaves is called, where not as the phase."""

TABLE = "distillation.json"


def phase_folder(out: Path, phase: str | None = None) -> Path:
    """Return where a phase's run lies, or the folder beside `out` that holds all but the last."""
    if phase == "finetuning":
        return out
    named = out if out.name else out.resolve()
    beside = named.with_name(named.name + ".phases")
    return beside if phase is None else beside / RESULTS.get(phase, phase)


def checkpoint_of(folder: Path) -> Path:
    """Return the file with the best weights of a run."""
    return folder / CHECKPOINTS / "best.pt"


@dataclass(frozen=True, kw_only=True)
class Phases:
    """The runs of one distillation.

    Args:
        data: prepared rows.
        out: folder of the student's run, which is that of the last phase.
        anew: phases to repeat although they are finished.
        resume: continue an unfinished phase from its last checkpoint.
        observers: makes the callbacks that are told about the progress of a phase.
        say: called with a line of text when a phase begins.
        command: the command line, for ``config.json``.
        check_space: refuse jobs that would not fit in memory.
        baseline: compare the last phase with a logistic regression.
    """

    data: PreparedData
    out: Path
    anew: frozenset[str]
    resume: bool
    observers: Callable[[], Sequence[Observer]]
    say: Callable[[str], object]
    command: Sequence[str]
    check_space: bool
    baseline: bool

    def folder(self, phase: str) -> Path:
        """Return where the run of a phase lies."""
        return phase_folder(self.out, phase)

    def claim(self) -> None:
        """Check that the phases may be written where they belong.

        Raises:
            FileExistsError: if a folder holds something else, or a run that could resume.
        """
        for phase in PHASES:
            folder = self.folder(phase).resolve()
            claim(folder, force=True)
            if not self.resume and phase not in self.anew:
                refuse_unfinished(folder)

    def is_kept(self, phase: str, recipe: Recipe) -> bool:
        """Return whether a phase is finished with the same recipe and not to be repeated."""
        folder = self.folder(phase)
        if phase in self.anew or not (folder / METRICS).exists():
            return False
        return recipe.difference(read_json(folder, CONFIG)) is None

    def kept(self, phase: str, recipe: Recipe) -> CTRModel | None:
        """Return the model of a phase that is kept, None if it must be trained."""
        if not self.is_kept(phase, recipe):
            return None
        folder = self.folder(phase)
        self.say(f"{phase}: finished already, kept ({folder})")
        own = [class_of(recipe.model)]
        device = recipe.train.device
        return Run(folder, device=device, check_space=self.check_space, models=own).model

    @contextmanager
    def recording(self, phase: str, recipe: Recipe, note: str = "") -> Iterator[Recording]:
        """Write the run of a phase; see `ctrkit.runs.recording`."""
        self.say(f"{phase}: {class_of(recipe.model).__name__}{note}")
        (phase_folder(self.out) / TABLE).unlink(missing_ok=True)  # it was of other weights
        with recording(
            self.folder(phase),
            recipe,
            self.data,
            observers=self.observers(),
            command=self.command,
            resume=self.resume and phase not in self.anew,
        ) as run:
            if self.baseline and phase == "finetuning":
                self.say(run.measure_baseline(check_space=self.check_space).summary())
            yield run

    def trained(self, phase: str, recipe: Recipe) -> CTRModel:
        """Return the model of a phase that trains on the clicks alone."""
        model = self.kept(phase, recipe)
        if model is not None:
            return model
        model, data = recipe.new_model(), self.data
        with self.recording(phase, recipe) as run:
            trainer = Trainer(recipe.train, observers=run.observers)
            result = trainer.fit(
                model, data.train, data.valid, checkpoints=run.checkpoints, resume=run.resume
            )
            return run.finish(model, result).model

    def contender(self, phase: str, model: CTRModel) -> Contender:
        """Return the model of a phase as an entry of the comparison."""
        return RESULTS.get(phase, phase), [model], [checkpoint_of(self.folder(phase))]
