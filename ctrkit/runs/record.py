"""A run folder, written while a model is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrkit.data import PreparedData
from ctrkit.files import only_writer, save_json
from ctrkit.metrics import Metrics
from ctrkit.models import CTRModel
from ctrkit.runs.baseline import Baseline, kept_baseline
from ctrkit.runs.finite import measure
from ctrkit.runs.folder import BASELINE, CHECKPOINTS, CONFIG, METRICS, claim, read_json
from ctrkit.runs.hints import Hint, hints
from ctrkit.runs.recipe import Recipe
from ctrkit.runs.space import check_runs
from ctrkit.training import (
    History,
    Observer,
    Record,
    TrainConfig,
    Trainer,
    TrainResult,
    check_classes,
    check_examples,
    check_rows,
    remove_unfinished,
    unfinished,
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a recorded run: the model with its best weights, and its figures.

    Attributes:
        model: with its best weights.
        result: what happened in training.
        evaluations: metrics of the model, by part.
        baseline: what it is compared with, if anything.
        hints: what its figures say about it.
    """

    model: CTRModel
    result: TrainResult
    evaluations: dict[str, Metrics]
    baseline: Baseline | None = None
    hints: Sequence[Hint] = ()


def train_run(
    data: PreparedData,
    *,
    model: str | type[CTRModel] = "eulernet",
    model_options: Mapping[str, Any] | None = None,
    config: TrainConfig | None = None,
    out: str | Path,
    observers: Sequence[Observer] = (),
    command: Sequence[str] = (),
    force: bool = False,
    resume: bool = False,
    check_space: bool = True,
    baseline: bool = True,
    say: Callable[[str], object] = str,
) -> Outcome:
    """Build a model, train it, evaluate it and write the run folder.

    The model scores the test rows once, after the validation rows chose its best weights; final
    figures are computed in float32, as `Run` scores. The recipe is written first, ``history.csv``
    at every validation, and ``metrics.json`` last: a folder that has it is a finished run.

    Args:
        data: prepared rows.
        model: a key of `ctrkit.models.MODELS`, or a class of your own.
        model_options: keywords of the model.
        config: options of the training.
        out: the run's folder.
        observers: callbacks that are told about progress.
        command: the command line, for ``config.json``.
        force: replace a finished run, or one that could resume.
        resume: continue from the last checkpoint in the folder, if there is one.
        check_space: refuse jobs that would not fit in memory or on disk.
        baseline: first fit a logistic regression, to compare the model with.
        say: called with a line of text when that is done.

    Raises:
        SpaceError: if more memory or disk is needed than is free.
        FileExistsError: if the folder holds something else, or another process is writing it.
        ValueError: if an option is wrong, a part of the data has one class only, or the run to go
            on with is another one.
        Interrupted: on Ctrl-C or SIGTERM, once a checkpoint is written.
        FloatingPointError: if the loss is not finite; or if the score of a validation or test row
            is not, after the run is written with its other figures.
    """
    out = Path(out)
    claim(out, force=force, resume=resume)
    check_parts(data)
    plan = Recipe(model=model, options=model_options or {}, train=config or TrainConfig())
    recipe = plan.on(data)
    if check_space:
        check_runs("training", data, [(recipe.blueprint(), recipe.train, out)])
    new = recipe.new_model()
    with recording(out, recipe, data, observers=observers, command=command, resume=resume) as run:
        if baseline:
            say(run.measure_baseline(check_space=check_space).summary())
        trainer = Trainer(recipe.train, observers=run.observers)
        result = trainer.fit(
            new, data.train, data.valid, checkpoints=run.checkpoints, resume=run.resume
        )
        return run.finish(new, result)


def check_parts(data: PreparedData) -> None:
    """Check, before any work, that every non-empty part of the data can be evaluated.

    Raises:
        ValueError: if there are no training rows, or a part has one class only.
    """
    check_rows(data.train, data.valid if len(data.valid) else None)
    if len(data.test):
        check_examples(data.test, "test rows")
        check_classes("test rows", data.test)


@contextmanager
def recording(
    out: Path,
    recipe: Recipe,
    data: PreparedData,
    *,
    observers: Sequence[Observer] = (),
    command: Sequence[str] = (),
    resume: bool = False,
) -> Iterator[Recording]:
    """Write the folder of a run while a block trains its model, as its only writer.

    The block ends with `Recording.finish`; without it the run stays unfinished.

    Args:
        out: the run's folder, already claimed.
        recipe: what the run is made of, bound to the rows.
        data: prepared rows, see `check_parts`.
        observers: callbacks that are told about progress.
        command: the command line, for ``config.json``.
        resume: continue from the last checkpoint in the folder, if there is one.

    Raises:
        FileExistsError: if another process is writing the folder.
        ValueError: if the checkpoint is of another run.
    """
    out.mkdir(parents=True, exist_ok=True)
    with only_writer(out):
        if resume and unfinished(out / CHECKPOINTS):
            other = recipe.difference(read_json(out, CONFIG))
            if other is not None:
                raise ValueError(
                    f"{out} was started with {other}; resume with the same options and data, "
                    "give a new folder, or start over with --force"
                )
        else:
            (out / METRICS).unlink(missing_ok=True)  # from here on the run is unfinished
            remove_unfinished(out / CHECKPOINTS)
            (out / BASELINE).unlink(missing_ok=True)
            save_json(out / CONFIG, {**recipe.to_config(), "command": list(command)})
        # Also when resuming: without these files the run could not be opened.
        data.encoder.save(out)
        yield Recording(out, data, observers=observers, resume=resume)


class Recording:
    """A run that is being written; made by `recording`.

    Attributes:
        checkpoints: folder for the checkpoints of `Trainer.fit`.
        resume: whether to continue from the last of them.
        observers: those of the caller, and one that keeps ``history.csv`` up to date.
        baseline: what the model is compared with; None until it is measured.
    """

    baseline: Baseline | None = None

    def __init__(
        self, out: Path, data: PreparedData, *, observers: Sequence[Observer], resume: bool
    ) -> None:
        self.checkpoints = out / CHECKPOINTS
        self.resume = resume
        self.observers = [_HistoryWriter(out / "history.csv"), *observers]
        self._out = out
        self._data = data

    def measure_baseline(self, *, check_space: bool) -> Baseline:
        """Measure what the model is to be compared with, before it is trained.

        Args:
            check_space: leave out what would not fit in memory.
        """
        self.baseline = kept_baseline(self._out, self._data, check_space=check_space)
        return self.baseline

    def finish(self, model: CTRModel, result: TrainResult) -> Outcome:
        """Evaluate the trained model, and write ``metrics.json``: the run is finished.

        Raises:
            FloatingPointError: if a score is not finite, after the other figures are written.
        """
        evaluations, failed = self._evaluate(model)
        found = hints(
            evaluations.get("valid"),
            history=result.history,
            regression=None if self.baseline is None else self.baseline.regression.get("valid"),
        )
        figures = {name: metrics.to_dict() for name, metrics in evaluations.items()}
        compared = {} if self.baseline is None else {"baseline": self.baseline.to_dict()}
        said = {"hints": [vars(hint) for hint in found]}
        save_json(self._out / METRICS, {**figures, **compared, **result.to_dict(), **said})
        remove_unfinished(self.checkpoints)
        (self._out / BASELINE).unlink(missing_ok=True)
        if failed is not None:
            raise FloatingPointError(
                f"{self._out} is trained and written, without some figures: {failed}"
            )
        return Outcome(
            model=model,
            result=result,
            evaluations=evaluations,
            baseline=self.baseline,
            hints=found,
        )

    def _evaluate(self, model: CTRModel) -> tuple[dict[str, Metrics], FloatingPointError | None]:
        """Return the figures on validation and test rows, and why those of a part are missing."""
        found: dict[str, Metrics] = {}
        failed = None
        for name, rows in {"valid": self._data.valid, "test": self._data.test}.items():
            if len(rows):
                try:
                    found[name] = measure(model, rows, f"{name} rows of {self._data.path}")
                except FloatingPointError as error:
                    failed = failed or error
        return found, failed


class _HistoryWriter(Observer):
    """Keeps ``history.csv`` up to date during a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = []

    def on_validation(self, record: Record) -> None:
        """Write all records so far."""
        self.records.append(record)
        History(tuple(self.records)).save(self.path)
