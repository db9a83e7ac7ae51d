"""Every value at every key of every file, replaced by one of another kind: refused in words."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from edited import write_json

from ctrkit.cli.like import Like
from ctrkit.data import PreparedData, load, prepare
from ctrkit.distill.teacher_logits import load_logits, teacher_logits
from ctrkit.runs import Run, train_run
from ctrkit.training import TrainConfig
from ctrkit.training.checkpoints.weights import load_tensors, save_tensors

VALUES = ([], {}, -1, "x\x1b[31m\n", None, 10**30)
GONE = object()
"""In place of a value: its key is removed."""

OPTIONS: dict[str, Any] = {"num_layers": 1, "embedding_dim": 2}
CONFIG = TrainConfig(epochs=4, batch_size=10, checkpoint_steps=2)
FRAME = pd.DataFrame(
    {
        "user": [f"u{row % 5}" for row in range(60)],
        "price": [0.5 * row for row in range(60)],
        "click": [row % 2 for row in range(60)],
    }
)


class Crash(BaseException):
    """What a power cut is to a process."""


class CrashAt:
    """Crashes after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_start(self, *, total_steps: int, num_rows: int, done_rows: int) -> None: ...

    def on_step(self, *, step: int, rows: int, loss: float | None) -> None:
        if step == self.step:
            raise Crash

    def on_validation(self, record: Any) -> None: ...

    def on_end(self) -> None: ...


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Prepared data, a run, its logits, and a run that has not come to its end."""
    folder: Path = tmp_path_factory.mktemp("made")
    data = prepare(FRAME, out=folder / "data", split="last")
    train(data, folder / "run")
    with pytest.raises(Crash):
        train(data, folder / "unfinished", observers=[CrashAt(7)])
    teacher_logits(Run(folder / "run").model, data)
    return folder


def train(data: PreparedData, out: Path, **more: Any) -> None:
    train_run(
        data, model="crossnet", model_options=OPTIONS, config=CONFIG, out=out, force=True, **more
    )


def open_run(folder: Path) -> None:
    run = Run(folder / "run")
    run.score(FRAME.head(3))
    run.evaluate_rows(load(folder / "data", check=False), "train")


def repeat_run(folder: Path) -> None:
    like = Like(folder / "run")
    like.settings([folder / "data"])
    data = load(folder / "data", check=False)
    like.say_differences(data)
    like.say_outcome({"test": Run(folder / "run").evaluate_rows(data, "test")})


def open_data(folder: Path) -> None:
    data = load(folder / "data")
    assert repr(data)
    assert data._repr_html_()
    assert data.num_skipped >= 0


def open_logits(folder: Path) -> None:
    load_logits(next((folder / "data/teachers").iterdir()), load(folder / "data", check=False))


def resume(folder: Path) -> None:
    data = load(folder / "data", check=False)
    train_run(
        data,
        model="crossnet",
        model_options=OPTIONS,
        config=CONFIG,
        out=folder / "unfinished",
        resume=True,
        observers=[CrashAt(8)],
    )


def paths_in(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in plain data; the whole itself is not among them."""
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in entries:
        yield (*path, key)
        if isinstance(value, (dict, list, tuple)):
            yield from paths_in(value, (*path, key))


def with_value(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return plain data with another value at the end of a path."""
    key, *rest = path
    changed = list(content) if isinstance(content, tuple) else copy.copy(content)
    if not rest and value is GONE:
        del changed[key]
    else:
        changed[key] = with_value(content[key], tuple(rest), value) if rest else value
    return changed


CASES: list[tuple[str, Callable[[Path], None]]] = [
    ("run/config.json", open_run),
    ("run/config.json", repeat_run),
    ("run/metrics.json", open_run),
    ("run/metrics.json", repeat_run),
    ("run/schema.json", open_run),
    ("data/schema.json", open_data),
    ("data/teachers/*/logits.json", open_logits),
    ("unfinished/config.json", resume),
    ("unfinished/checkpoints/step-*.pt", resume),
    ("unfinished/checkpoints/best.pt", resume),
]


@pytest.mark.parametrize(("name", "use"), CASES)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(VALUES[:1], id="list"),
        pytest.param((*VALUES[1:], GONE), id="others", marks=pytest.mark.slow),
    ],
)
def test_a_value_of_another_kind_is_taken_or_refused_in_words(made, name, use, values):
    (path,) = made.glob(name)
    before = {file: file.read_bytes() for file in path.parents[0].rglob("*") if file.is_file()}
    is_json = path.suffix == ".json"
    content = json.loads(path.read_text()) if is_json else load_tensors(path)
    content = copy.deepcopy(content)
    refused = 0
    every = 1 if is_json or len(values) > 1 else 4  # a checkpoint takes longer to go on from
    for keys in list(paths_in(content))[::every]:
        for value in values:
            changed = with_value(content, keys, value)
            write_json(path, changed) if is_json else save_tensors(path, changed)
            try:
                with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(Crash):
                    use(made)
            except (ValueError, FileNotFoundError, FileExistsError) as error:
                refused += 1
                said = str(error)
                assert str(made) in said, (keys, value, said)
                assert len(said) < 1500, (keys, value)
                assert said.isprintable(), (keys, value, said)
            except Exception as error:
                error.add_note(f"{keys}: {value!r}")
                raise
            for file, was in before.items():
                file.write_bytes(was)
    assert refused > 0


@pytest.mark.parametrize("step", [-1, 0, 10**30, 21, 2.0])
def test_a_run_does_not_go_on_from_a_step_that_it_cannot_have(made, step):
    (path,) = made.glob("unfinished/checkpoints/step-*.pt")
    was = path.read_bytes()
    save_tensors(path, {**copy.deepcopy(load_tensors(path)), "step": step})
    try:
        with pytest.raises(ValueError, match=r"step-\d+.pt must be a checkpoint of this run: "):
            resume(made)
    finally:
        path.write_bytes(was)
