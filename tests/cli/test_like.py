"""``--like``: a run is repeated from its folder alone."""

import json
import shutil
from pathlib import Path

import pytest
from edited import edit_json, write_json
from failing import error_of

from ctrkit.cli import main
from ctrkit.synthetic import generate

OPTIONS = ["--model", "eulernet", "--orders", "5", "--embedding-dim", "4", "--epochs", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("like")
    generate(folder / "criteo.txt", rows=2000, seed=1)
    words = ["train", str(folder / "criteo.txt"), "--format", "criteo", "--split", "last"]
    assert main([*words, "--seed", "7", *OPTIONS, "--out", str(folder / "run")]) == 0
    return folder / "run"


def figures(folder: Path) -> dict:
    metrics = json.loads((folder / "metrics.json").read_text())
    return {name: metrics[name] for name in ("valid", "test")}


def test_repeats_a_run_digit_for_digit(run, tmp_path, capsys):
    assert main(["train", "--like", str(run), "--out", str(tmp_path / "again")]) == 0
    assert f"the figures of {run}, digit for digit" in capsys.readouterr().err
    assert figures(tmp_path / "again") == figures(run)
    configs = [json.loads((f / "config.json").read_text()) for f in (run, tmp_path / "again")]
    assert configs[0]["train"] == configs[1]["train"]
    assert configs[0]["model"] == configs[1]["model"]


def test_raw_files_are_prepared_as_the_run_had_them(run, tmp_path):
    raw = str(run.parent / "criteo.txt")
    words = ["train", raw, "--like", str(run), "--out", str(tmp_path / "raw")]
    assert main([*words, "--num-workers", "1"]) == 0
    assert figures(tmp_path / "raw") == figures(run)


def test_flags_win(run, tmp_path, capsys):
    words = ["train", "--like", str(run), "--out", str(tmp_path / "other"), "--seed", "8"]
    assert main(words) == 0
    assert "valid auc 0." in capsys.readouterr().err.splitlines()[-2]
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    assert config["train"]["seed"] == 8
    assert config["model"]["options"]["orders"] == [5]


def test_differences_are_said_before(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "old")
    path = tmp_path / "old" / "config.json"
    config = json.loads(path.read_text())
    config["versions"]["torch"] = "1.0"
    config["data"]["fingerprint"] = "0"
    write_json(path, config)
    out = ["--out", str(tmp_path / "new")]
    assert main(["train", "--like", str(tmp_path / "old"), *out]) == 0
    said = capsys.readouterr().err
    assert "old was trained with torch 1.0, this is " in said
    assert "has other rows than" in said


def test_every_figure_that_differs_is_named(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "old")
    path = tmp_path / "old" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["test"]["logloss"] = 0.5
    write_json(path, metrics)
    out = ["--out", str(tmp_path / "new")]
    assert main(["train", "--like", str(tmp_path / "old"), *out]) == 0
    said = capsys.readouterr().err.splitlines()[-2]
    assert said == f"test logloss {figures(run)['test']['logloss']!r}, not 0.5"


def test_rows_outside_the_run_are_not_followed(run, tmp_path, capsys):
    old = shutil.copytree(run, tmp_path / "old", ignore=shutil.ignore_patterns("data"))
    shutil.copytree(run / "data", tmp_path / "elsewhere")
    edit_json(
        old / "config.json",
        data=json.loads((run / "config.json").read_text())["data"]
        | {"path": str(tmp_path / "elsewhere")},
    )
    words = ["train", "--like", str(old), "--out", str(tmp_path / "new")]
    said = error_of(words, capsys)
    assert f"old does not hold its rows, which were in '{tmp_path / 'elsewhere'}'; give" in said
    (old / "data").symlink_to(tmp_path / "elsewhere")
    assert "old/data must lie in" in error_of(words, capsys)
    assert not (tmp_path / "new").exists()
    assert main([*words, str(tmp_path / "elsewhere")]) == 0  # named by the user
    assert figures(tmp_path / "new") == figures(run)


def test_mistakes(run, tmp_path, capsys):
    out = ["--out", str(tmp_path / "new")]
    like = ["--like", str(run)]
    assert "or --like RUN for those of a run" in error_of(["train", *out], capsys)
    assert "drop --config" in error_of(["train", *like, "--config", "x.toml", *out], capsys)
    assert "is no finished run" in error_of(["train", "--like", str(run.parent), *out], capsys)
    shutil.copytree(run, tmp_path / "old", ignore=lambda *_: ["data"])
    path = tmp_path / "old" / "config.json"
    config = json.loads(path.read_text())
    config["data"]["path"] = "gone"
    write_json(path, config)
    message = error_of(["train", "--like", str(tmp_path / "old"), *out], capsys)
    assert "old does not hold its rows, which were in 'gone'; give the prepared" in message
    config["distill"] = {"phase": "finetuning"}
    write_json(path, config)
    message = error_of(["train", "--like", str(tmp_path / "old"), *out], capsys)
    assert "got a distilled student" in message
