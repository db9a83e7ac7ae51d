"""The four commands that are killed: small inputs, and what must be the same afterwards."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from killing import OUT, BrokenPromiseError, Command

from ctrkit.cli import main
from ctrkit.files.atomic import FOLDER_SUFFIX, final_name
from ctrkit.files.json_files import load_json
from ctrkit.runs import Run
from ctrkit.synthetic import generate
from ctrkit.training.checkpoints.weights import load_tensors

TIMES = {
    "seconds",
    "rows_per_second",
    "elapsed_seconds",
    "seconds_per_row",
    "seconds_per_row_quartiles",
}
"""What no two runs have in common."""


@dataclass(frozen=True)
class Inputs:
    """What the commands read, and how large it is.

    Args:
        folder: holds ``log.txt``, the prepared folder ``data``, the settings ``teacher.toml`` and
            the finished run ``run``.
    """

    folder: Path

    @property
    def log(self) -> str:
        return str(self.folder / "log.txt")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def teacher(self) -> Path:
        return self.folder / "teacher.toml"

    @property
    def run(self) -> str:
        return str(self.folder / "run")


TRAINING = ["--batch-size", "256", "--epochs", "2", "--checkpoint-steps", "3", "--seed", "7"]
EULERNET = ["--embedding-dim", "4", "--orders", "5", "--dropout-ex", "0.1", "--dropout-im", "0.2"]
TEACHER = """
[model]
embedding_dim = 4
[train]
batch_size = 256
epochs = 2
checkpoint_steps = 3
"""


def make_inputs(folder: Path, *, log_rows: int, train_rows: int) -> Inputs:
    """Generate logs, to be prepared and scored and to be trained on, and a run that scores."""
    inputs = Inputs(folder)
    inputs.teacher.write_text(TEACHER)
    generate(folder / "log.txt", rows=log_rows, seed=1)
    generate(folder / "train.txt", rows=train_rows, seed=2)
    for words in (
        ["prepare", str(folder / "train.txt"), "--format", "criteo", "--out", str(inputs.data)],
        ["train", str(inputs.data), "--out", inputs.run, "--epochs", "1", *EULERNET],
    ):
        if main(words) != 0:
            raise RuntimeError(f"ctrkit {' '.join(words)} failed")
    return inputs


def all_commands(inputs: Inputs) -> dict[str, Command]:
    """Return the commands that are killed, by name."""
    made = (_prepare(inputs), _predict(inputs), _train(inputs), _distill(inputs))
    return {command.name: command for command in made}


def _prepare(inputs: Inputs) -> Command:
    def out(folder: Path) -> Path:
        return folder / OUT / "data"

    def words(folder: Path) -> list[str]:
        return ["prepare", inputs.log, "--format", "criteo", "--out", str(out(folder))]

    def phase(folder: Path) -> str:
        if out(folder).exists():
            return "finished"
        aside = next((folder / OUT).glob(f".*{FOLDER_SUFFIX}"), folder)
        if (aside / "schema.json").exists():
            return "syncing"
        if (aside / "vocabularies").exists():
            return "vocabularies"
        if (aside / "train").exists():
            return "writing"
        return "counting" if any(aside.glob("spill/counts-*")) else "reading"

    return Command(
        name="prepare",
        words=words,
        again=words,
        result=lambda folder: _digests(out(folder)),
        is_whole=lambda folder: out(folder).exists(),
        phase=phase,
    )


def _predict(inputs: Inputs) -> Command:
    def out(folder: Path) -> Path:
        return folder / OUT / "scores.csv"

    def words(folder: Path) -> list[str]:
        return ["predict", inputs.run, inputs.log, "--out", str(out(folder))]

    def phase(folder: Path) -> str:
        if out(folder).exists():
            return "finished"
        sizes = [path.stat().st_size for path in (folder / OUT).iterdir()]
        return "scoring later chunks" if any(sizes) else "scoring its first chunk"

    return Command(
        name="predict",
        words=words,
        again=words,
        result=lambda folder: _digests(folder / OUT),
        is_whole=lambda folder: out(folder).exists(),
        phase=phase,
    )


def _train(inputs: Inputs) -> Command:
    def out(folder: Path) -> Path:
        return folder / OUT / "run"

    def words(folder: Path) -> list[str]:
        return ["train", str(inputs.data), "--out", str(out(folder)), *EULERNET, *TRAINING]

    return Command(
        name="train",
        words=words,
        again=lambda folder: [*words(folder), "--resume"],
        result=lambda folder: _run_result(out(folder)),
        is_whole=lambda folder: (out(folder) / "metrics.json").exists(),
        phase=lambda folder: _run_phase(out(folder)),
        check_killed=lambda folder: _check_run(out(folder)),
    )


def _distill(inputs: Inputs) -> Command:
    def runs(folder: Path) -> dict[str, Path]:
        out = folder / OUT
        beside = out / "student.phases"
        found = {name: beside / name for name in ("teacher", "alone", "distilled")}
        return {**found, "finetuned": out / "student"}

    def table(folder: Path) -> Path:
        return folder / OUT / "student.phases" / "distillation.json"

    def words(folder: Path) -> list[str]:
        return [
            *("distill", str(folder / "data"), "--out", str(folder / OUT / "student")),
            *("--teacher", "crossnet", "--teacher-config", str(inputs.teacher)),
            *("--student", "dagfm", "--embedding-dim", "4", "--depth", "2"),
            *TRAINING,
        ]

    def phase(folder: Path) -> str:
        if table(folder).exists():
            return "finished"
        begun = [name for name, run in runs(folder).items() if run.exists()]
        if not begun:
            return "before the teacher"
        now = _run_phase(runs(folder)[begun[-1]])
        if now != "finished":
            return begun[-1]
        return "table" if begun[-1] == "finetuned" else f"after {begun[-1]}"

    def result(folder: Path) -> dict[str, Any]:
        found = {
            f"{name}/{key}": value
            for name, run in runs(folder).items()
            for key, value in _run_result(run).items()
        }
        if table(folder).exists():
            found["table"] = _timeless(load_json(table(folder)))
        return found

    def check(folder: Path) -> None:
        for run in runs(folder).values():
            _check_run(run)

    return Command(
        name="distill",
        words=words,
        again=lambda folder: [*words(folder), "--resume"],
        result=result,
        is_whole=lambda folder: table(folder).exists(),
        phase=phase,
        check_killed=check,
        # The teacher's logits are kept beside the data: each case has data of its own.
        set_up=lambda folder: shutil.copytree(inputs.data, folder / "data"),
    )


def _digests(folder: Path) -> dict[str, Any]:
    """Return a hash of each file that has its final name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and final_name(path.name) is None
    }


def _run_result(run: Path) -> dict[str, Any]:
    """Return weights, history and metrics of a finished run, without times; else nothing."""
    if not (run / "metrics.json").exists():
        return {}
    with (run / "history.csv").open(newline="") as file:
        history = [_timeless(row) for row in csv.DictReader(file)]
    config = _timeless(load_json(run / "config.json"))
    return {
        "names": sorted(str(path.relative_to(run)) for path in run.rglob("*")),
        "history": history,
        "metrics": _timeless(load_json(run / "metrics.json")),
        "model": config["model"],
        "train": config["train"],
        "weights": {
            name: hashlib.sha256(weight.numpy().tobytes()).hexdigest()
            for name, weight in load_tensors(run / "checkpoints" / "best.pt")["model"].items()
        },
    }


def _timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _timeless(value) for key, value in content.items() if key not in TIMES}
    return [_timeless(value) for value in content] if isinstance(content, list) else content


def _run_phase(run: Path) -> str:
    if (run / "metrics.json").exists():
        return "finished"
    checkpoints = run / "checkpoints"
    names = [path.name for path in checkpoints.iterdir()] if checkpoints.exists() else []
    if any(final_name(name) for name in names):
        return "writing a checkpoint"
    return "after a checkpoint" if names else "before the first checkpoint"


def _check_run(run: Path) -> None:
    """Check that what a killed run has left is whole, file by file, and not served."""
    if not run.exists():
        return
    for path in run.rglob("*"):
        if final_name(path.name) is not None:
            continue
        _must_read(path, {".pt": load_tensors, ".json": load_json})
    if not (run / "metrics.json").exists():
        _must_refuse(run)


def _must_read(path: Path, readers: dict[str, Callable[[Path], Any]]) -> None:
    try:
        readers.get(path.suffix, Path.exists)(path)
    except ValueError as error:
        raise BrokenPromiseError(f"{path} has its name and is not whole: {error}") from error


def _must_refuse(run: Path) -> None:
    try:
        Run(run)
    except FileNotFoundError:
        return
    raise BrokenPromiseError(f"{run} is not finished, and was opened")
