"""``ctrkit distill``, run as a user runs it, on a small generated log."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from edited import write_json
from failing import error_of

from ctrkit.cli import main
from ctrkit.data import load
from ctrkit.runs import Run
from ctrkit.synthetic import generate
from ctrkit.training import latency

FAST = ["--epochs", "1", "--batch-size", "256", "--embedding-dim", "4"]
STUDENT = ["--student", "dagfm", "--interaction", "outer", "--depth", "2", *FAST]


@pytest.fixture(autouse=True)
def quick_clock(monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "criteo.txt"
    generate(path, rows=2000, seed=1)
    return path


@pytest.fixture(scope="module")
def teacher(log, tmp_path_factory) -> Path:
    """A finished run of EulerNet, with its prepared data in it."""
    out = tmp_path_factory.mktemp("teacher") / "euler"
    words = ["train", str(log), "--format", "criteo", "--out", str(out), "--orders", "5"]
    assert main([*words, *FAST]) == 0
    return out


@pytest.fixture(scope="module")
def distilled(teacher, tmp_path_factory) -> Path:
    """A finished student, beside it its phases."""
    out = tmp_path_factory.mktemp("student") / "small"
    data = str(teacher / "data")
    words = ["distill", data, "--teacher", str(teacher), "--out", str(out), *STUDENT]
    assert main(words) == 0
    return out


@pytest.fixture
def again(distilled, teacher, tmp_path) -> list[str]:
    """The words of a distillation whose finished folders are copies of this test's own."""
    shutil.copytree(distilled, tmp_path / "small")
    shutil.copytree(f"{distilled}.phases", tmp_path / "small.phases")
    data = str(teacher / "data")
    return ["distill", data, "--teacher", str(teacher), "--out", str(tmp_path / "small"), *STUDENT]


def table_beside(out: Path) -> dict:
    return json.loads((Path(f"{out}.phases") / "distillation.json").read_text())


def phases_done(capsys) -> dict[str, bool]:
    """Return, for each phase that was told of, whether it was done anew."""
    phases = "teacher|alone|distillation|finetuning"
    pattern = rf"^({phases}): (finished already)?"
    told = re.findall(pattern, capsys.readouterr().err, flags=re.MULTILINE)
    return {phase: not kept for phase, kept in told}


def test_a_named_teacher_is_trained_and_everything_is_shown(log, tmp_path, capsys):
    out = tmp_path / "student"
    words = ["distill", str(log), "--format", "criteo", "--teacher", "crossnet", "--out", str(out)]
    assert main([*words, *STUDENT]) == 0
    table = capsys.readouterr().out.splitlines()
    assert re.split("  +", table[0].strip()) == [
        *("teacher", "alone", "distilled", "finetuned", "logistic regression", "base rate")
    ]
    assert [line.split("  ")[0].strip() for line in table[1:]] == [
        "AUC",
        "logloss",
        "parameters: table",
        "parameters: net",
        "multiply-adds per row",
        "us per row, 1 at a time",
        "us per row, 256 at a time",
        "us per row, 4096 at a time",
        "MB on disk",
        "RMSE to the teacher's logits",
        "correlation with them",
        "pairs ordered alike",
    ]
    assert {path.name for path in Path(f"{out}.phases").iterdir()} == {
        "teacher",
        "alone",
        "distilled",
        "data",
        "distillation.json",
    }


def test_table_says_what_the_runs_say(distilled, teacher):
    table = table_beside(distilled)
    figures = {model["name"]: model for model in table["models"]}
    folders = {
        "teacher": teacher,
        "alone": Path(f"{distilled}.phases/alone"),
        "distilled": Path(f"{distilled}.phases/distilled"),
        "finetuned": distilled,
    }
    assert table["rows"] == "test"
    assert figures.keys() == folders.keys()
    for name, folder in folders.items():
        metrics = json.loads((folder / "metrics.json").read_text())
        assert figures[name]["auc"] == metrics["test"]["auc"]
        parameters = figures[name]["table_parameters"] + figures[name]["net_parameters"]
        assert parameters == metrics["num_parameters"]
        size = (folder / "checkpoints/best.pt").stat().st_size
        assert figures[name]["bytes_on_disk"] == size
    assert table["baseline"] == metrics["baseline"]  # of the student, the last of the runs
    assert figures["distilled"]["agreement"] != figures["finetuned"]["agreement"]
    assert figures["teacher"]["agreement"] is None


def test_the_baseline_is_measured_once_for_all_phases(distilled, again, tmp_path, monkeypatch):
    for phase in ("alone", "distilled"):
        metrics = json.loads(Path(f"{distilled}.phases/{phase}/metrics.json").read_text())
        assert "baseline" not in metrics
        assert "hints" in metrics
    before = json.loads((distilled / "metrics.json").read_text())["baseline"]
    monkeypatch.setattr("ctrkit.runs.baseline.fit_regression", lambda *_: 1 / 0)
    assert main(again) == 0
    assert table_beside(tmp_path / "small")["baseline"] == before


def test_a_distillation_needs_no_baseline(again, tmp_path, capsys):
    assert main([*again, "--restart", "finetuning", "--no-baseline"]) == 0
    assert "regression" not in capsys.readouterr().out
    assert "baseline" not in table_beside(tmp_path / "small")
    assert "baseline" not in json.loads((tmp_path / "small/metrics.json").read_text())


def test_the_students_run_is_a_plain_run(distilled, teacher, log, tmp_path, capsys):
    scores = tmp_path / "scores.csv"
    assert main(["predict", str(distilled), str(log), "--out", str(scores)]) == 0
    assert len(scores.read_text().split()) == 2001
    capsys.readouterr()
    figures = tmp_path / "figures.json"
    words = ["evaluate", str(distilled), str(teacher / "data"), "--json", str(figures)]
    assert main(words) == 0
    metrics = json.loads((distilled / "metrics.json").read_text())
    assert json.loads(figures.read_text())["test"]["auc"] == metrics["test"]["auc"]


def test_nothing_of_the_teacher_is_in_the_students_run(distilled, teacher, tmp_path):
    names = {path.name for path in distilled.iterdir()}
    assert names == {
        "checkpoints",
        "config.json",
        "history.csv",
        "metrics.json",
        "schema.json",
        "vocabularies",
    }
    # Its table began as a copy of the teacher's; where it has its own, no tensor is the teacher's.
    out = tmp_path / "own"
    words = ["distill", str(teacher / "data"), "--teacher", str(teacher), "--out", str(out)]
    assert main([*words, *STUDENT, "--student-table", "own", "--no-alone"]) == 0
    theirs = {tensor.numpy().tobytes() for tensor in Run(teacher).model.state_dict().values()}
    for checkpoint in (out / "checkpoints").iterdir():
        content = torch.load(checkpoint, weights_only=True)["model"]
        assert content.keys() == Run(distilled).model.state_dict().keys()
        assert not {tensor.numpy().tobytes() for tensor in content.values()} & theirs


def test_finished_phases_are_kept(again, capsys):
    assert main(again) == 0
    assert phases_done(capsys) == {"alone": False, "distillation": False, "finetuning": False}


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("alone", {"alone": True, "distillation": False, "finetuning": False}),
        ("distillation", {"alone": False, "distillation": True, "finetuning": True}),
        ("finetuning", {"alone": False, "distillation": False, "finetuning": True}),
    ],
)
def test_phases_restart_one_by_one(phase, expected, again, distilled, capsys):
    assert main([*again, "--restart", phase]) == 0
    assert phases_done(capsys) == expected
    # The same recipe gives the same student.
    table = load(Path(again[1])).test
    folders = (distilled, Path(again[again.index("--out") + 1]))
    first, second = (Run(folder).model(torch.from_numpy(np.array(table.ids))) for folder in folders)
    assert torch.equal(first, second)


def test_an_interrupted_distillation_goes_on_where_it_was(again, capsys):
    out = Path(again[again.index("--out") + 1])
    (out / "metrics.json").unlink()
    assert main(again) == 0
    assert phases_done(capsys) == {"alone": False, "distillation": False, "finetuning": True}


def test_a_finished_student_of_another_recipe_is_not_replaced(again, capsys):
    for change in (["--depth", "3"], ["--kd-weight", "5"], ["--learning-rate", "0.5"]):
        assert "holds a finished run" in error_of([*again, *change], capsys)
    assert main([*again, "--kd-weight", "5", "--force"]) == 0


def test_a_finished_student_of_another_teacher_is_not_replaced(again, teacher, tmp_path, capsys):
    other = tmp_path / "other"
    words = ["train", str(teacher / "data"), "--out", str(other), "--orders", "5", "--seed", "7"]
    assert main([*words, *FAST]) == 0
    again[again.index("--teacher") + 1] = str(other)
    assert "holds a finished run" in error_of(again, capsys)


def test_a_finished_run_that_is_no_student_is_not_replaced(again, capsys):
    out = Path(again[again.index("--out") + 1])
    config = json.loads((out / "config.json").read_text())
    del config["distill"]
    write_json(out / "config.json", config)
    assert "holds a finished run" in error_of([*again, "--restart", "finetuning"], capsys)


@pytest.mark.parametrize("place", ["{teacher}", "{out}.phases/distilled"])
def test_a_teacher_is_never_written_over(place, again, teacher, capsys):
    out = again[again.index("--out") + 1]
    taken = place.format(teacher=teacher, out=out)
    again[again.index("--teacher") + 1] = taken
    if taken == str(teacher):
        again[again.index("--out") + 1] = taken
    before = (Path(taken) / "metrics.json").read_bytes()
    assert "lies where phase" in error_of([*again, "--force"], capsys)
    assert (Path(taken) / "metrics.json").read_bytes() == before


def test_a_stale_table_does_not_stay_beside_new_weights(again, capsys, monkeypatch):
    out = again[again.index("--out") + 1]
    monkeypatch.setattr("ctrkit.distill.pipeline.compare_models", lambda *a, **k: 1 / 0)
    said = error_of([*again, "--restart", "finetuning"], capsys)
    assert "ZeroDivisionError: division by zero. This is a bug in ctrkit" in said
    assert not Path(f"{out}.phases/distillation.json").exists()


def test_data_without_rows_to_measure_on_is_named_before_training(log, tmp_path, capsys):
    words = ["distill", str(log), "--format", "criteo", "--teacher", "crossnet", *STUDENT]
    words += ["--fractions", "1,0,0", "--out", str(tmp_path / "run")]
    assert "a distillation needs test or validation rows to measure on" in error_of(words, capsys)
    assert not (tmp_path / "run.phases" / "teacher").exists()


def test_a_teacher_of_another_split_is_told_of(teacher, log, tmp_path, capsys):
    """The same vocabulary, other rows: what it is measured on, it may have learnt from."""
    shutil.copytree(teacher, tmp_path / "t")
    config = json.loads((tmp_path / "t/config.json").read_text())
    config["data"]["fingerprint"] = "0" * 64
    write_json(tmp_path / "t/config.json", config)
    words = ["distill", str(teacher / "data"), "--teacher", str(tmp_path / "t"), "--no-alone"]
    assert main([*words, "--out", str(tmp_path / "run"), *STUDENT]) == 0
    assert "it may have learnt from rows it is measured on here" in capsys.readouterr().err


def test_a_new_recipe_is_not_mistaken_for_the_old_one(again, capsys):
    assert main([*again, "--kd-weight", "5", "--restart", "finetuning"]) == 0
    assert phases_done(capsys) == {"alone": False, "distillation": True, "finetuning": True}


def test_the_teacher_is_scored_once_for_all_students(distilled, teacher, tmp_path):
    kept = list((teacher / "data" / "teachers").iterdir())
    assert len(kept) == 1
    before = {path: path.stat().st_mtime_ns for path in kept[0].iterdir()}
    data = str(teacher / "data")
    words = ["distill", data, "--teacher", str(teacher), "--no-alone", "--student", "crossnet"]
    assert main([*words, "--out", str(tmp_path / "other"), *FAST]) == 0
    assert {path: path.stat().st_mtime_ns for path in kept[0].iterdir()} == before
    assert list((teacher / "data" / "teachers").iterdir()) == kept


def test_several_teachers_are_an_ensemble(distilled, teacher, tmp_path, capsys):
    data = str(teacher / "data")
    words = ["distill", data, "--teacher", str(teacher), "--teacher", str(distilled), "--no-alone"]
    assert main([*words, "--out", str(tmp_path / "of_two"), *STUDENT]) == 0
    table = table_beside(tmp_path / "of_two")
    both = [json.loads((run / "metrics.json").read_text()) for run in (teacher, distilled)]
    parameters = sum(run["num_parameters"] for run in both)
    first = table["models"][0]
    assert first["table_parameters"] + first["net_parameters"] == parameters


def test_settings_files_serve_student_and_teacher(log, tmp_path):
    (tmp_path / "student.toml").write_text(
        "[model]\nname = 'dagfm'\ndepth = 2\nembedding_dim = 4\n"
        "[train]\nepochs = 1\nseed = 7\n[distill]\nkd_loss = 'soft_labels'\ntemperature = 3\n"
    )
    (tmp_path / "teacher.toml").write_text(
        "[model]\nname = 'crossnet'\nnum_layers = 1\nembedding_dim = 4\n[train]\nepochs = 2\n"
    )
    out = tmp_path / "run"
    words = ["distill", str(log), "--format", "criteo", "--teacher", "crossnet", "--out", str(out)]
    words += ["--config", str(tmp_path / "student.toml"), "--no-alone"]
    assert main([*words, "--teacher-config", str(tmp_path / "teacher.toml")]) == 0
    config = json.loads((Path(f"{out}.phases/teacher") / "config.json").read_text())
    assert config["model"]["options"]["num_layers"] == 1
    assert (config["train"]["epochs"], config["train"]["seed"]) == (2, 7)
    student = json.loads((out / "config.json").read_text())
    assert student["distill"]["temperature"] == 3
    assert student["model"]["name"] == "dagfm"


def test_a_teacher_of_another_schema_is_refused(teacher, tmp_path, capsys):
    generate(tmp_path / "other.txt", rows=2000, seed=9)
    words = ["distill", str(tmp_path / "other.txt"), "--format", "criteo", "--teacher"]
    said = error_of([*words, str(teacher), "--out", str(tmp_path / "run"), *STUDENT], capsys)
    assert "was trained with another schema or vocabulary" in said
    assert not (tmp_path / "run").exists()


def test_a_table_that_does_not_fit_is_named_before_any_training(teacher, tmp_path, capsys):
    words = ["distill", str(teacher / "data"), "--teacher", str(teacher), *STUDENT]
    words += ["--embedding-dim", "8", "--student-table", "copy", "--out", str(tmp_path / "run")]
    said = error_of(words, capsys)
    assert "embedding_dim of the student must be the teacher's, 4" in said
    assert not Path(f"{tmp_path}/run.phases").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--teacher", "crosnet"], "unknown teacher 'crosnet'; did you mean 'crossnet'?"),
        (["--teacher", "crossnet", "--teacher", "cin"], "only a single teacher can be trained"),
        (["--teacher", "crossnet", "--student", "dagm"], "unknown model 'dagm'; did you mean 'd"),
        (["--teacher", "crossnet", "--orders", "5"], "--orders is an option of eulernet, not of"),
        (["--teacher", "crossnet", "--kd-los", "logits"], "unknown option --kd-los; did you mean"),
        (["--teacher", "crossnet", "--restart", "distil"], "argument --restart: invalid choice"),
        (["--teacher", "crossnet", "--temperature", "2"], "temperature must be 1 with kd_loss"),
        (
            ["--teacher", "runs/crossnet"],
            "--teacher runs/crossnet: there is no such folder",
        ),
        (
            ["--teacher", "crossnet", "--restart", "alone", "--no-alone"],
            "needs the student trained alone",
        ),
        (
            ["--teacher", "crossnet", "--kd-weight", "inf"],
            "argument --kd-weight: must be a number or none, got 'inf'",
        ),
        (["--teacher", "crossnet", "--depth", "0"], "depth must be positive, got 0"),
        ([], "the following arguments are required: --teacher"),
    ],
)
def test_mistakes_are_named(words, message, log, tmp_path, capsys):
    start = ["distill", str(log), "--format", "criteo", "--out", str(tmp_path / "run")]
    assert message in error_of([*start, *words], capsys)
    assert not (tmp_path / "run").exists()


def test_settings_for_a_finished_teacher_are_refused(teacher, tmp_path, capsys):
    words = ["distill", str(teacher / "data"), "--teacher", str(teacher), "--out", "run"]
    said = error_of([*words, "--teacher-config", str(tmp_path / "x.toml")], capsys)
    assert "--teacher-config is for a teacher to train" in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[model]\nembedding_dim = 0\n", "embedding_dim must be positive, got 0"),
        ("[train]\ndevice = 'cuda:99'\n", "device 'cuda:99' is not there"),
    ],
)
def test_a_teacher_to_train_is_refused_before_the_rows_are_prepared(
    settings, message, log, tmp_path, capsys
):
    (tmp_path / "t.toml").write_text(settings)
    words = ["distill", str(log), "--format", "criteo", "--teacher", "crossnet"]
    words += ["--out", str(tmp_path / "run"), "--teacher-config", str(tmp_path / "t.toml")]
    assert message in error_of(words, capsys)
    assert not (tmp_path / "run").exists()
    assert not Path(f"{tmp_path}/run.phases").exists()


def test_settings_of_another_teacher_are_refused(log, tmp_path, capsys):
    (tmp_path / "t.toml").write_text("[model]\nname = 'cin'\n")
    words = ["distill", str(log), "--format", "criteo", "--teacher", "crossnet", "--out", "run"]
    said = error_of([*words, "--teacher-config", str(tmp_path / "t.toml")], capsys)
    assert "must be settings for --teacher crossnet, got those of another model" in said


def test_a_teacher_whose_logits_are_not_finite_is_refused(teacher, tmp_path, capsys):
    broken = shutil.copytree(teacher, tmp_path / "broken", ignore=shutil.ignore_patterns("data"))
    path = broken / "checkpoints/best.pt"
    content = torch.load(path, weights_only=True)
    for weights in content["model"].values():
        weights.fill_(3e38)  # finite, but not what comes of them
    torch.save(content, path)
    words = ["distill", str(teacher / "data"), "--teacher", str(broken), "--no-alone", *STUDENT]
    said = error_of([*words, "--out", str(tmp_path / "run")], capsys)
    assert "the teacher's logits must be finite, got " in said
    assert "for row 0 of the training rows" in said
