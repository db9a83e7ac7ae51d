"""``--resume``: runs that a signal stopped, and folders that are none of its business."""

import csv
import json
import os
import signal
from pathlib import Path
from unittest import mock

import pytest
import torch
from edited import write_json
from failing import error_of

from ctrkit.cli import main
from ctrkit.cli.commands import distill, train
from ctrkit.cli.progress import TrainingBar
from ctrkit.data import load, prepare
from ctrkit.files.atomic import only_writer
from ctrkit.runs import Run
from ctrkit.synthetic import generate
from ctrkit.training import latency
from ctrkit.training.checkpoints.resume import unfinished

TIMES = {"seconds", "elapsed_seconds", "rows_per_second", "checksum"}
SMALL = ["--epochs", "2", "--batch-size", "256", "--embedding-dim", "4", "--depth", "2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate(folder / "criteo.txt", rows=3000, seed=1)
    return prepare(folder / "criteo.txt", format="criteo", out=folder / "data").path


def interrupted(command, number: int, at_step: int, phase: int = 1):
    """Send a signal after a step of a command, in its first phase or a later one."""
    started = []

    class Bar(TrainingBar):
        def on_start(self, **heard):
            started.append(1)
            super().on_start(**heard)

        def on_step(self, *, step, rows, loss):
            super().on_step(step=step, rows=rows, loss=loss)
            if step == at_step and len(started) == phase:
                os.kill(os.getpid(), number)

    return mock.patch.object(command, "TrainingBar", Bar)


def outcome(run: Path):
    """Return what a run has left, but for times."""
    metrics = json.loads((run / "metrics.json").read_text())
    with (run / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert unfinished(run / "checkpoints") == []
    weights = torch.load(run / "checkpoints" / "best.pt", weights_only=True)["model"]
    del metrics["baseline"]["logistic_regression"]["seconds"]
    return (
        {name: value for name, value in metrics.items() if name not in TIMES},
        [{name: value for name, value in row.items() if name not in TIMES} for row in history],
        {name: value.tolist() for name, value in weights.items()},
    )


def test_a_run_of_a_version_without_an_option_goes_on(data, tmp_path, capsys):
    words = ["train", str(data), "--model", "dagfm", *SMALL, "--out", str(tmp_path / "run")]
    with interrupted(train, signal.SIGTERM, 5):
        assert main(words) == 128 + signal.SIGTERM
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["train"]["min_gain"]
    write_json(tmp_path / "run" / "config.json", config)
    message = error_of([*words, "--resume", "--min-gain", "0.1"], capsys)
    assert "was started with train min_gain 1e-05, not 0.1" in message
    assert main([*words, "--resume"]) == 0


def test_a_run_of_a_version_without_an_option_of_its_model_goes_on(data, tmp_path):
    words = ["train", str(data), "--model", "xdeepfm", "--num-maps", "3", "--hidden-dims", "4"]
    words += ["--epochs", "2", "--batch-size", "256", "--out", str(tmp_path / "run")]
    with interrupted(train, signal.SIGTERM, 5):
        assert main(words) == 128 + signal.SIGTERM
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["model"]["options"]["linear"]
    write_json(tmp_path / "run" / "config.json", config)
    assert main([*words, "--resume"]) == 0


def test_train_goes_on_after_a_signal(data, tmp_path, capsys):
    words = ["train", str(data), "--model", "dagfm", *SMALL]
    whole, run = (["--out", str(tmp_path / name)] for name in ("whole", "run"))
    assert main([*words, *whole]) == 0
    capsys.readouterr()
    with interrupted(train, signal.SIGTERM, 13):
        assert main([*words, *run]) == 128 + signal.SIGTERM
    *_, said, command = capsys.readouterr().err.splitlines()
    assert "interrupted after step 13" in said
    assert said.endswith("; resume with")
    assert command.split() == ["ctrkit", *words, *run, "--resume"]

    assert "holds an unfinished run with a checkpoint; continue with --resume" in error_of(
        [*words, *run], capsys
    )
    kept = json.loads((tmp_path / "run" / "baseline.json").read_text())
    assert "train epochs 2, not 3; resume with the same options" in error_of(
        [*words, *run, "--resume", "--epochs", "3"], capsys
    )
    assert main(command.split()[1:]) == 0
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")

    assert not (tmp_path / "run" / "baseline.json").exists()
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    # It was not measured again: even the seconds are the same.
    assert json.loads(before)["baseline"].items() <= kept.items()
    # There is nothing to do, whatever machine it is on.
    assert main([*command.split()[1:], "--device", "cuda:99"]) == 0
    assert "is finished already: nothing to resume" in capsys.readouterr().err
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before


def test_a_run_that_another_process_writes_is_left_alone(data, tmp_path, capsys):
    words = ["train", str(data), "--model", "dagfm", *SMALL, "--out", str(tmp_path), "--resume"]
    with only_writer(tmp_path):  # as a job whose successor was started too early
        said = error_of(words, capsys)
    assert f"{tmp_path} is being written by another process" in said
    assert list(tmp_path.iterdir()) == []


def test_other_rows_are_not_trained_on_further(data, tmp_path, capsys):
    words = ["--model", "dagfm", *SMALL, "--out", str(tmp_path / "run")]
    with interrupted(train, signal.SIGINT, 3):
        assert main(["train", str(data), *words]) == 130
    generate(tmp_path / "other.txt", rows=500, seed=2)
    other = prepare(tmp_path / "other.txt", format="criteo", out=tmp_path / "other").path
    message = error_of(["train", str(other), *words, "--resume"], capsys)
    assert f"was started with other rows than those of {other}" in message


@pytest.mark.parametrize("lost", ["schema.json", "vocabularies/*"])
def test_what_a_run_lost_of_its_encoder_is_written_again(data, tmp_path, lost):
    out = tmp_path / "run"
    words = ["train", str(data), "--model", "dagfm", *SMALL, "--out", str(out)]
    with interrupted(train, signal.SIGTERM, 9):
        assert main(words) == 128 + signal.SIGTERM
    for path in out.glob(lost):
        path.unlink()
    assert main([*words, "--resume"]) == 0
    assert Run(out).encoder.fingerprint == load(data).encoder.fingerprint


def test_a_run_that_lost_its_best_weights_does_not_train_in_vain(data, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["train", str(data), "--model", "dagfm", *SMALL, "--out", str(out)]
    with interrupted(train, signal.SIGTERM, 9):
        assert main(words) == 128 + signal.SIGTERM
    (out / "checkpoints" / "best.pt").unlink()
    message = error_of([*words, "--resume"], capsys)
    assert "best.pt does not exist, but the run has been validated; start it over" in message


DISTILL = ["--teacher", "crossnet", *SMALL, "--epochs", "1"]


@pytest.fixture(scope="module")
def distilled(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("student") / "whole"
    with mock.patch.object(latency, "SECONDS", 0.0):
        assert main(["distill", str(data), *DISTILL, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("phase", [1, 3, 4])
def test_distill_goes_on_in_the_phase_that_was_stopped(
    data, distilled, tmp_path, capsys, monkeypatch, phase
):
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    words = ["distill", str(data), *DISTILL, "--out", str(tmp_path / "run")]
    with interrupted(distill, signal.SIGTERM, 7, phase):
        assert main(words) == 128 + signal.SIGTERM
    assert "holds an unfinished run with a checkpoint" in error_of(words, capsys)
    assert main([*words, "--resume"]) == 0
    said = capsys.readouterr().err
    assert said.count("finished already, kept") == phase - 1
    assert outcome(tmp_path / "run") == outcome(distilled)
