"""One training run from prepared data to a run folder."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ctrkit import __version__
from ctrkit.aside import only_writer
from ctrkit.data import PreparedData
from ctrkit.files import save_json
from ctrkit.models import MODELS, CTRModel, build_model
from ctrkit.models.catalog import blueprint, name_of
from ctrkit.models.catalog import model_options as options_of
from ctrkit.options import from_mapping, printable, shortened, shown, to_mapping
from ctrkit.serving.finite import measure
from ctrkit.serving.fit import check_fits_memory
from ctrkit.serving.folder import (
    CHECKPOINTS,
    CONFIG,
    FORMAT_VERSION,
    METRICS,
    claim,
    read_json,
    shape_to_json,
)
from ctrkit.serving.space import check_runs
from ctrkit.training import (
    History,
    Metrics,
    Observer,
    Record,
    TrainConfig,
    Trainer,
    TrainResult,
)
from ctrkit.training.batches import check_examples
from ctrkit.training.checkpoints import remove_unfinished, unfinished
from ctrkit.training.config import CHECKPOINT_OPTIONS
from ctrkit.training.trainer import check_rows, require_both_classes

Fit = Callable[[CTRModel, Sequence[Observer], Path, bool], TrainResult]
"""Fits a model in place, given who is told how it goes, a folder for checkpoints, and whether to
go on from the last of them."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What `train_run` returns: the model with its best weights, and how it did."""

    model: CTRModel
    result: TrainResult
    evaluations: dict[str, Metrics]


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
) -> Outcome:
    """Build a model, train it, evaluate it and write the run folder.

    The test rows are read once, after the best weights were chosen on the validation rows; final
    figures are computed in float32, as `Run` scores. The recipe is written first, ``history.csv``
    at every validation, and ``metrics.json`` last: a folder that has it is a finished run.

    Args:
        data: prepared rows.
        model: a key of `ctrkit.models.MODELS`, or a class of your own.
        model_options: keywords of the model.
        config: options of the training.
        out: the run's folder.
        observers: who is told how it goes.
        command: the command line, for ``config.json``.
        force: replace a finished run, or one that could go on.
        resume: go on from the last checkpoint in the folder, where there is one.
        check_space: refuse what would not fit into memory or on the disk.

    Raises:
        SpaceError: if more memory or disk is needed than is free.
        FileExistsError: if the folder holds something else, or another process is writing it.
        ValueError: if an option is wrong, a part of the data has one class only, or the run to go
            on with is another one.
        Interrupted: on Ctrl-C or SIGTERM, once a checkpoint is written.
        FloatingPointError: if the loss is not finite; or if the score of a validation or test row
            is not, after the run is written with its other figures.
    """
    config = config or TrainConfig()
    claim(Path(out), force=force, resume=resume)
    check_parts(data)
    if check_space:
        planned = blueprint(model, data.cardinalities, model_options or {}, where="model options")
        check_runs("training", data, [(planned, config, Path(out))])
    return record_run(
        data,
        new_model(data, model, model_options, seed=config.seed),
        config=config,
        out=Path(out),
        observers=observers,
        command=command,
        resume=resume,
    )


def check_parts(data: PreparedData) -> None:
    """Make sure, before any work, that every part of the data that has rows can be measured on.

    Raises:
        ValueError: if there are no training rows, or a part has one class only.
    """
    check_rows(data.train, data.valid if len(data.valid) else None)
    if len(data.test):
        check_examples(data.test, "test rows")
        require_both_classes("test rows", data.test)


def new_model(
    data: PreparedData,
    name: str | type[CTRModel],
    options: Mapping[str, Any] | None,
    *,
    seed: int,
) -> CTRModel:
    """Return a new model for the data's fields; the seed alone decides its start."""
    check_fits_memory(name, data.cardinalities, options or {})
    torch.manual_seed(seed)
    return build_model(name, data.cardinalities, options or {}, where="model options")


def record_run(
    data: PreparedData,
    model: CTRModel,
    fit: Fit | None = None,
    *,
    config: TrainConfig,
    out: Path,
    observers: Sequence[Observer] = (),
    command: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> Outcome:
    """Fit a model, evaluate it and write the run folder, which is claimed already.

    Args:
        data: prepared rows, see `check_parts`.
        model: what is fitted.
        fit: how it is fitted; plain training on the data if not given.
        config: options of the training.
        out: the run's folder.
        observers: who is told how it goes.
        command: the command line, for ``config.json``.
        more: further sections of ``config.json``.
        resume: go on from the last checkpoint in the folder, where there is one.

    Raises:
        FileExistsError: if another process is writing the folder.
        ValueError: if the checkpoint is of another run.
        FloatingPointError: see `train_run`.
    """
    made_of = recipe(model, config, more or {})
    out.mkdir(parents=True, exist_ok=True)
    with only_writer(out):
        if resume and unfinished(out / CHECKPOINTS):
            _check_same_run(out, made_of, data)
            data.encoder.save(out)  # where a file of it is missing, the run could not be opened
        else:
            _begin(out, made_of, data, command)
        watchers = [_HistoryWriter(out / "history.csv"), *observers]
        if fit is None:
            trainer = Trainer(config, observers=watchers)
            result = trainer.fit(
                model, data.train, data.valid, checkpoints=out / CHECKPOINTS, resume=resume
            )
        else:
            result = fit(model, watchers, out / CHECKPOINTS, resume)
        evaluations, failed = _evaluate(model, data)
        figures = {name: metrics.to_dict() for name, metrics in evaluations.items()}
        save_json(out / METRICS, {**figures, **result.to_dict()})
        remove_unfinished(out / CHECKPOINTS)
        if failed is not None:
            raise FloatingPointError(
                f"{out} is trained and written, without some figures: {failed}"
            )
        return Outcome(model=model, result=result, evaluations=evaluations)


def _evaluate(
    model: CTRModel, data: PreparedData
) -> tuple[dict[str, Metrics], FloatingPointError | None]:
    """Return the figures on validation and test rows, and why those of a part are missing."""
    found: dict[str, Metrics] = {}
    failed = None
    for name, rows in {"valid": data.valid, "test": data.test}.items():
        if len(rows):
            try:
                found[name] = measure(model, rows, f"{name} rows of {data.path}")
            except FloatingPointError as error:
                failed = failed or error
    return found, failed


def _begin(
    out: Path, made_of: Mapping[str, Any], data: PreparedData, command: Sequence[str]
) -> None:
    """Write what a new run begins with, in place of what an earlier one has left."""
    (out / METRICS).unlink(missing_ok=True)  # from here on the run is unfinished
    remove_unfinished(out / CHECKPOINTS)
    save_json(
        out / CONFIG,
        {
            **made_of,
            "data": {**data.info, "path": str(data.path)},
            "command": list(command),
            "versions": versions(),
        },
    )
    data.encoder.save(out)


def versions() -> dict[str, str]:
    """Return the versions that figures may depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
    }


def _check_same_run(out: Path, made_of: Mapping[str, Any], data: PreparedData) -> None:
    other = difference(read_json(out, CONFIG), made_of, data)
    if other is not None:
        raise ValueError(
            f"{out} was begun with {other}; resume with the same options and data, "
            "give a new folder, or begin anew with --force"
        )


def difference(
    had: Mapping[str, Any], made_of: Mapping[str, Any], data: PreparedData
) -> str | None:
    """Return where a ``config.json`` differs from a recipe and rows, None if they are the same.

    Options that change nothing that is learnt may differ.
    """
    rows = had.get("data")
    if not isinstance(rows, dict) or rows.get("fingerprint") != data.info["fingerprint"]:
        return f"other rows than those of {data.path}"
    wanted = json.loads(json.dumps(made_of))
    for section, ours in wanted.items():
        theirs = had.get(section)
        if not isinstance(ours, dict) or not isinstance(theirs, dict):
            if theirs != ours:
                return f"{section} {shown(theirs)}, not {shown(ours)}"
            continue
        # A run before there was an option had what is now its default.
        if section == "train":
            theirs = {**to_mapping(TrainConfig()), **theirs}
        elif section == "model":
            theirs = _with_defaults(theirs)
        for name in [*ours, *(theirs.keys() - ours.keys())]:
            if theirs.get(name) != ours.get(name) and name not in CHECKPOINT_OPTIONS:
                values = f"{shown(theirs.get(name))}, not {shown(ours.get(name))}"
                return f"{section} {printable(shortened(name))} {values}"
    return None


def _with_defaults(model: Mapping[str, Any]) -> dict[str, Any]:
    name, options = model.get("name"), model.get("options")
    if not (isinstance(name, str) and name in MODELS and isinstance(options, dict)):
        return dict(model)
    return {**model, "options": {**to_mapping(options_of(name)()), **options}}


def recipe(model: CTRModel, config: TrainConfig, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run is made of as plain data: on the same rows, it gives the same run."""
    # Refused before it is trained: what could not be opened again.
    from_mapping(options_of(type(model)), model.options(), where="model options")
    return {
        "format_version": FORMAT_VERSION,
        "ctrkit": __version__,
        "model": {
            "name": name_of(type(model)),
            "options": model.options(),
            "cardinalities": [shape_to_json(entry) for entry in model.cardinalities],
        },
        "train": to_mapping(config),
        **more,
    }


class _HistoryWriter:
    """Keeps ``history.csv`` up to date while a run goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = []

    def on_start(self, *, total_steps: int, num_rows: int, done_rows: int) -> None:
        """Do nothing."""

    def on_step(self, *, step: int, rows: int, loss: float | None) -> None:
        """Do nothing."""

    def on_validation(self, record: Record) -> None:
        """Write all records so far."""
        self.records.append(record)
        History(tuple(self.records)).save(self.path)

    def on_end(self) -> None:
        """Do nothing."""
