"""What ``ctrkit train`` prints beside a model: a logistic regression, the click rate, and hints."""

import json
import re
from pathlib import Path

import pytest

from ctrkit.cli import main
from ctrkit.cli.arguments import Parser
from ctrkit.cli.commands import train
from ctrkit.data import prepare
from ctrkit.metrics import Metrics
from ctrkit.runs.hints import hints
from ctrkit.synthetic import generate

SMALL = ["--model", "crossnet", "--epochs", "1", "--batch-size", "256", "--embedding-dim", "4"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("data")
    generate(folder / "criteo.txt", rows=3000, seed=1)
    return str(prepare(folder / "criteo.txt", format="criteo", out=folder / "data").path)


def test_the_table_has_what_is_to_be_beaten_beside_the_model(data, tmp_path, capsys):
    assert main(["train", data, *SMALL, "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    rows = [re.split("  +", line.strip()) for line in printed.out.splitlines()]
    names = ["valid", "logistic regression", "base rate"]
    assert [row[0] for row in rows[1:]] == [*names, "test", *names[1:]]
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert rows[4][1] == f"{found['test']['auc']:.5f}"
    baseline = found["baseline"]
    assert rows[5][1] == f"{baseline['logistic_regression']['test']['auc']:.5f}"
    assert rows[6][1:3] == ["0.50000", f"{baseline['base_rate']['test']['logloss']:.5f}"]
    said = printed.err.splitlines()
    # Before the first validation of the model, so that one sees when it passes.
    first = next(n for n, line in enumerate(said) if line.startswith("to beat: valid auc 0."))
    assert not any("epoch   " in line for line in said[:first])
    assert [line for line in said if line.startswith("hint: ")] == [
        f"hint: {hint['text']}" for hint in found["hints"]
    ]


def test_no_baseline_leaves_the_table_as_it_was(data, tmp_path, capsys):
    words = ["train", data, *SMALL, "--no-baseline", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["AUC", "valid", "test"]
    assert "to beat" not in printed.err
    assert "baseline" not in json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_a_regression_that_fails_is_said_in_a_line(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ctrkit.runs.baseline.fit_regression", lambda *_: 1 / 0)
    assert main(["train", data, *SMALL, "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    assert "\nno logistic regression to compare with: division by zero\n" in printed.err
    assert [line.split()[0] for line in printed.out.splitlines()][1:3] == ["valid", "base"]


def test_evaluate_prints_what_it_was_asked_for_alone(data, tmp_path, capsys):
    assert main(["train", data, *SMALL, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), data]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["AUC", "test"]


def test_a_run_of_before_is_evaluated_and_repeated(tmp_path, capsys):
    formats = Path(__file__).parents[1] / "formats"
    run, rows = str(formats / "run_v1"), str(formats / "data_v1")
    assert main(["evaluate", run, rows]) == 0
    words = ["train", rows, "--like", run, "--out", str(tmp_path / "again"), "--device", "cpu"]
    assert main(words) == 0
    assert "logistic regression" in capsys.readouterr().out


def test_every_flag_that_a_hint_names_is_one_of_train():
    bad = Metrics(
        auc=0.4,
        logloss=1.0,
        normalized_entropy=2.0,
        calibration_error=0.4,
        predicted_ratio=3.0,
        rows=1000,
        clicks=200,
    )
    good = Metrics(**{**bad.to_dict(), "auc": 0.8, "logloss": 0.4})
    texts = " ".join(hint.text for hint in hints(bad, regression=good))
    parser = Parser(prog="ctrkit train")
    train.add_to(parser)
    parser.complete([])
    flags = set(re.findall(r"--[a-z0-9-]+", texts))
    assert {"--linear", "--start", "--learning-rate", "--monitor"} <= flags
    assert flags <= parser._option_string_actions.keys()
