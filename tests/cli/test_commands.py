"""The commands, run as a user runs them, on small generated logs."""

import csv
import json
import shutil
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest
from edited import edit_json, write_json
from failing import error_of

from ctrkit.cli import COMMANDS, main
from ctrkit.data import load
from ctrkit.models import MODELS
from ctrkit.runs import Run
from ctrkit.synthetic import generate
from ctrkit.training import auc

ROWS = 3000
FAST = ["--epochs", "2", "--batch-size", "256", "--embedding-dim", "4", "--orders", "5"]


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "criteo.txt"
    generate(path, rows=ROWS, seed=1)
    return path


@pytest.fixture(scope="module")
def run_folder(log, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "euler"
    words = ["train", str(log), "--format", "criteo", "--split", "last", "--out", str(out)]
    assert main([*words, "--model", "eulernet", *FAST]) == 0
    return out


def test_train_writes_a_self_contained_run(run_folder):
    names = {path.name for path in run_folder.iterdir()}
    assert {"config.json", "metrics.json", "history.csv", "schema.json", "vocabularies"} <= names
    assert {path.name for path in (run_folder / "checkpoints").iterdir()} == {"best.pt", "last.pt"}
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert {"valid", "test", "epochs", "seconds", "num_parameters"} <= set(metrics)
    assert {"auc", "logloss"} <= set(metrics["test"])
    config = json.loads((run_folder / "config.json").read_text())
    assert config["model"]["name"] == "eulernet"
    assert config["model"]["options"]["orders"] == [5]
    with (run_folder / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4  # two epochs, two validations each


def test_predict_gives_exactly_the_auc_of_the_metrics(run_folder, log, tmp_path):
    rows = log.read_text().splitlines(keepends=True)
    num_test = len(load(run_folder / "data").test)
    test = tmp_path / "test.txt"
    test.write_text("".join(rows[-num_test:]))  # split "last"
    out = tmp_path / "scores.csv"
    assert main(["predict", str(run_folder), str(test), "--out", str(out)]) == 0
    header, *lines = out.read_text().split()
    assert header == "probability"
    labels = [int(line[0]) for line in rows[-num_test:]]
    expected = json.loads((run_folder / "metrics.json").read_text())["test"]["auc"]
    assert auc(labels, [float(line) for line in lines]) == expected


def test_predict_needs_no_label_column(run_folder, log, tmp_path):
    without = tmp_path / "unlabelled.txt"
    rows = log.read_text().splitlines()[:50]
    without.write_text("\n".join(row.split("\t", 1)[1] for row in rows) + "\n")
    (tmp_path / "labelled.txt").write_text("\n".join(rows) + "\n")
    for name in ("unlabelled", "labelled"):
        words = ["predict", str(run_folder), str(tmp_path / f"{name}.txt")]
        assert main([*words, "--out", str(tmp_path / f"{name}.csv")]) == 0
    assert (tmp_path / "unlabelled.csv").read_text() == (tmp_path / "labelled.csv").read_text()


def test_predict_writes_the_shortest_decimals_that_read_back_as_the_scores(
    run_folder, log, tmp_path
):
    expected = np.concatenate(list(Run(run_folder).score_files([log]))).tolist()
    out = tmp_path / "scores.csv"
    assert main(["predict", str(run_folder), str(log), "--out", str(out)]) == 0
    lines = out.read_text().split()[1:]
    assert [float(line) for line in lines] == expected
    for line, score in zip(lines, expected, strict=True):
        digits = line.removeprefix("0.").lstrip("0").split("e")[0].replace(".", "")
        assert len(digits) == 1 or float(f"{score:.{len(digits) - 1}g}") != score


@pytest.mark.parametrize("num_workers", ["1", "3"])
def test_predict_gives_the_same_bits_with_any_number_of_threads(
    run_folder, log, tmp_path, monkeypatch, num_workers
):
    expected = np.concatenate(list(Run(run_folder).score_files([log])))
    monkeypatch.setattr("ctrkit.data.encoding.stream.BLOCK_BYTES", 50_000)
    out = tmp_path / "scores.csv"
    words = ["predict", str(run_folder), str(log), "--out", str(out)]
    assert main([*words, "--num-workers", num_workers]) == 0
    assert [float(line) for line in out.read_text().split()[1:]] == expected.tolist()


def test_predict_names_a_bad_row_and_leaves_nothing_behind(
    run_folder, log, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("ctrkit.data.encoding.stream.BLOCK_BYTES", 50_000)
    rows = log.read_text().splitlines()
    bad = tmp_path / "bad.txt"
    bad.write_text("\n".join([*rows[:2000], "1\t2", *rows[2000:]]))
    before = threading.active_count()
    words = ["predict", str(run_folder), str(bad), "--out", str(tmp_path / "scores.csv")]
    assert "bad.txt, line 2001: must have 40 columns, got 2" in error_of(words, capsys)
    assert threading.active_count() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bad.txt"]
    said = error_of([*words, "--num-workers", "0"], capsys)
    assert "num_workers must be positive, got 0" in said


def test_a_run_works_without_its_data_folder(run_folder, log, tmp_path):
    moved = tmp_path / "elsewhere"
    copy_of(run_folder, moved)
    assert main(["predict", str(moved), str(log), "--out", str(tmp_path / "s.csv")]) == 0


def test_evaluate_repeats_the_metrics_of_the_run(run_folder, tmp_path, capsys):
    out = tmp_path / "figures.json"
    words = ["evaluate", str(run_folder), str(run_folder / "data"), "--json", str(out)]
    assert main(words) == 0
    assert "AUC" in capsys.readouterr().out
    expected = json.loads((run_folder / "metrics.json").read_text())["test"]
    assert json.loads(out.read_text())["test"] == expected


def test_evaluate_takes_raw_files_too(run_folder, log, capsys):
    assert main(["evaluate", str(run_folder), str(log)]) == 0
    assert f"{ROWS:,}" in capsys.readouterr().out


def test_prepare_then_train_equals_train_on_the_raw_file(log, run_folder, tmp_path):
    words = ["prepare", str(log), "--format", "criteo", "--split", "last"]
    assert main([*words, "--out", str(tmp_path / "data")]) == 0
    words = ["train", str(tmp_path / "data"), "--out", str(tmp_path / "run"), *FAST]
    assert main(words) == 0
    first, second = (
        json.loads((folder / "metrics.json").read_text())
        for folder in (run_folder, tmp_path / "run")
    )
    assert first["test"] == second["test"]


def test_settings_file_and_flags_meet_and_flags_win(log, tmp_path):
    settings = tmp_path / "x.toml"
    settings.write_text(
        '[data]\nformat = "criteo"\n[model]\nname = "eulernet"\nembedding_dim = 4\norders = [3]\n'
        "[train]\nepochs = 1\nbatch_size = 512\nlearning_rate = 1e-2\n"
    )
    out = tmp_path / "run"
    words = ["train", str(log), "--config", str(settings), "--out", str(out), "--orders", "4,2"]
    assert main([*words, "--no-layer-norm", "--clip-norm", "5"]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["model"]["options"]["orders"] == [4, 2]
    assert config["model"]["options"]["layer_norm"] is False
    assert config["train"]["learning_rate"] == 0.01
    assert config["train"]["clip_norm"] == 5.0


def test_separate_files_of_rows_are_taken(log, tmp_path):
    words = ["train", str(log), "--format", "criteo", "--valid", str(log), "--test", str(log)]
    assert main([*words, "--out", str(tmp_path / "run"), *FAST]) == 0
    assert json.loads((tmp_path / "run/metrics.json").read_text())["test"]["rows"] == ROWS


def test_avazu_is_taken(tmp_path):
    log = tmp_path / "avazu.csv.gz"
    generate(log, rows=2000, format="avazu", seed=3)
    words = ["train", str(log), "--format", "avazu", "--out", str(tmp_path / "run"), *FAST]
    assert main(words) == 0


def test_tensorboard_events_are_written(log, tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    out = tmp_path / "run"
    words = ["train", str(log), "--format", "criteo", "--out", str(out), "--tensorboard", *FAST]
    assert main(words) == 0
    assert list((out / "tensorboard").iterdir())


def test_demo_tells_the_whole_story(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo"), "--rows", "2000"]) == 0
    shown = capsys.readouterr().out
    assert "the truth itself" in shown
    assert "ctrkit predict" in shown


def test_run_scores_frames(run_folder, log):
    import pandas as pd

    columns = ["label", *(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]
    frame = pd.read_csv(log, sep="\t", names=columns, nrows=20)
    run = Run(run_folder)
    from_file = np.concatenate(list(run.score_files([log])))[:20]
    np.testing.assert_allclose(run.score(frame), from_file, rtol=1e-5)
    assert len(run.score(frame.head(0))) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as leave:
        main([command, "--help"])
    assert leave.value.code == 0
    assert "usage: ctrkit" in capsys.readouterr().out


def test_unknown_option_suggests_the_right_one(log, tmp_path, capsys):
    words = ["train", str(log), "--out", str(tmp_path / "r"), "--learning-rat", "1"]
    said = error_of(words, capsys)
    assert "unknown option --learning-rat; did you mean '--learning-rate'?" in said


def test_misspelt_required_option_is_what_is_named(log, capsys):
    said = error_of(["train", str(log), "--uot", "x"], capsys)
    assert "unknown option --uot; did you mean '--out'?" in said


def test_unknown_command_is_named(capsys):
    assert "unknown command 'trian'; did you mean 'train'?" in error_of(["trian"], capsys)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[train]\nlerning_rate = 1\n", "unknown option 'lerning_rate'; did you mean 'learning_r"),
        ("[trian]\nepochs = 1\n", "unknown section [trian]; did you mean 'train'?"),
        ("epochs = 1\n", "unknown section [epochs]"),
        (f"[{'x' * 5000}]\na = 1\n", "x...]; choose from"),
        ("[train\n", "must be TOML"),
        ("[train]\nepochs = '3'\n", "option 'epochs' must be int, got '3'"),
        ("[train]\nepochs = 0\n", "epochs must be positive, got 0"),
        ("[model]\nname = 'eulernett'\n", "unknown model 'eulernett'; did you mean 'eulernet'?"),
        ("[model]\norder = [3]\n", "unknown option 'order'; did you mean 'orders'?"),
    ],
)
def test_mistakes_in_a_settings_file_are_named(content, message, log, tmp_path, capsys):
    settings = tmp_path / "x.toml"
    settings.write_text(content)
    words = ["train", str(log), "--out", str(tmp_path / "r"), "--config", str(settings)]
    said = error_of(words, capsys)
    assert message in said
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch-size", "many"], "must be a whole number, got 'many'"),
        (["--batch-size", "0"], "batch_size must be positive, got 0"),
        (["--orders", "3,x"], "must be ints separated by commas or none, got '3,x'"),
        (["--model", "eulernett"], "unknown model 'eulernett'; did you mean 'eulernet'?"),
        (["--format", "cretio"], "unknown format 'cretio'; did you mean 'criteo'?"),
        (["--dropout-ex", "1.5"], "dropout_ex must lie in [0, 1), got 1.5"),
        (["--orders", "0"], "orders must be one positive number per layer, got [0]"),
        (["--device", "gpu"], "device must be auto, cpu, cuda or cuda:N, got 'gpu'"),
        (["--device", "meta"], "device must be auto, cpu, cuda or cuda:N, got 'meta'"),
        (["--device", "cuda:99"], "device 'cuda:99' is not there"),
        (["--config", "no.toml"], "settings file no.toml does not exist"),
    ],
)
def test_mistakes_on_the_command_line_are_named(words, message, log, tmp_path, capsys):
    given = ["train", str(log), "--out", str(tmp_path / "r"), "--format", "criteo", *words]
    assert message in error_of(given, capsys)
    assert not (tmp_path / "r").exists()  # refused before the rows were prepared


def test_option_of_another_model_is_refused(log, tmp_path, capsys):
    words = ["train", str(log), "--out", str(tmp_path / "r"), "--model", "crossnet"]
    assert "--dropout-ex is an option of eulernet, not of crossnet" in error_of(
        [*words, "--dropout-ex", "0.1"], capsys
    )


@pytest.mark.slow
def test_every_model_goes_all_the_way(log, tmp_path):
    for name in MODELS:
        out = tmp_path / name
        words = ["train", str(log), "--format", "criteo", "--model", name, "--out", str(out)]
        assert main([*words, "--epochs", "1", "--embedding-dim", "2"]) == 0
        words = ["predict", str(out), str(log), "--out", str(tmp_path / f"{name}.csv")]
        assert main(words) == 0


def test_missing_file_is_named(tmp_path, capsys):
    missing = tmp_path / "no.txt"
    words = ["train", str(missing), "--format", "criteo", "--out", str(tmp_path / "r")]
    assert str(missing) in error_of(words, capsys)


def test_finished_run_is_not_overwritten(run_folder, log, capsys):
    words = ["train", str(log), "--format", "criteo", "--out", str(run_folder)]
    assert "holds a finished run; give a new folder, or --force" in error_of(words, capsys)


def test_unfinished_run_is_not_taken_for_a_run(run_folder, log, tmp_path, capsys):
    (tmp_path / "half").mkdir()
    (tmp_path / "half/config.json").write_text((run_folder / "config.json").read_text())
    words = ["predict", str(tmp_path / "half"), str(log), "--out", str(tmp_path / "s.csv")]
    assert "is no finished run: it has no metrics.json" in error_of(words, capsys)


def test_prepared_data_of_another_vocabulary_is_refused(run_folder, log, tmp_path, capsys):
    words = ["prepare", str(log), "--format", "criteo", "--out", str(tmp_path / "d"), "--seed", "9"]
    assert main(words) == 0
    said = error_of(["evaluate", str(run_folder), str(tmp_path / "d")], capsys)
    assert "was prepared with another schema or vocabulary" in said


def test_run_of_another_format_version_is_refused(run_folder, log, tmp_path, capsys):
    other = tmp_path / "old"
    copy_of(run_folder, other)
    edit_json(other / "config.json", format_version=99)
    said = error_of(["evaluate", str(other), str(log)], capsys)
    assert "has format version 99, this ctrkit reads 1" in said


def test_damaged_checkpoint_is_refused(run_folder, log, tmp_path, capsys):
    other = tmp_path / "broken"
    copy_of(run_folder, other)
    (other / "checkpoints/best.pt").write_bytes(b"not a checkpoint")
    said = error_of(["evaluate", str(other), str(log)], capsys)
    assert "best.pt must be a ctrkit checkpoint" in said


def copy_of(run_folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(run_folder, to, ignore=shutil.ignore_patterns("data")))


def test_folder_that_is_no_run_is_left_alone(run_folder, log, tmp_path, capsys):
    mine = tmp_path / "project"
    mine.mkdir()
    (mine / "config.json").write_text("{}")
    words = ["train", str(log), "--format", "criteo", "--out"]
    said = error_of([*words, str(mine)], capsys)
    assert "must be new, empty or a run, got a folder with 'config.json'" in said
    data = run_folder / "data"
    said = error_of(["train", str(data), "--out", str(data)], capsys)
    assert "must be new, empty or a run" in said
    assert len(load(data).train)
    assert "--out must be a folder, got" in error_of([*words, str(log)], capsys)


def test_demo_leaves_other_folders_alone(tmp_path, capsys):
    (tmp_path / "criteo.txt").write_text("mine")
    said = error_of(["demo", "--out", str(tmp_path)], capsys)
    assert "must be new, empty or an earlier demo" in said
    assert (tmp_path / "criteo.txt").read_text() == "mine"


def test_predict_does_not_overwrite_its_input(run_folder, log, capsys):
    before = log.read_bytes()
    words = ["predict", str(run_folder), str(log), "--out", str(log)]
    assert "is one of the inputs; name another" in error_of(words, capsys)
    assert log.read_bytes() == before


def test_predict_ignores_labels_that_are_empty(run_folder, log, tmp_path):
    rows = log.read_text().splitlines()[:20]
    empty = tmp_path / "empty_labels.txt"
    empty.write_text("".join(row[1:] + "\n" for row in rows))
    assert main(["predict", str(run_folder), str(empty), "--out", str(tmp_path / "s.csv")]) == 0
    assert len((tmp_path / "s.csv").read_text().split()) == 21


def test_output_in_a_missing_folder_is_named_before_any_work(run_folder, log, tmp_path, capsys):
    missing = tmp_path / "no" / "s.csv"
    said = error_of(["predict", str(run_folder), str(log), "--out", str(missing)], capsys)
    assert f"cannot write {missing}: there is no folder" in said
    said = error_of(["evaluate", str(run_folder), str(log), "--json", str(missing)], capsys)
    assert f"cannot write {missing}: there is no folder" in said


def test_output_that_is_not_writable_is_named(run_folder, log, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    words = ["predict", str(run_folder), str(log), "--out", str(tmp_path / "s.csv")]
    assert "is not writable" in error_of(words, capsys)


def test_log_of_one_class_is_named_before_training(log, tmp_path, capsys):
    clicks = tmp_path / "clicks.txt"
    clicks.write_text("".join(r for r in log.read_text().splitlines(True) if r[0] == "1"))
    words = ["train", str(clicks), "--format", "criteo", "--out", str(tmp_path / "r")]
    assert "training rows need both classes, got" in error_of(words, capsys)


def test_options_that_a_prepared_folder_cannot_follow_are_refused(run_folder, tmp_path, capsys):
    words = ["train", str(run_folder / "data"), "--out", str(tmp_path / "r"), *FAST]
    assert "--schema is for raw files" in error_of([*words, "--schema", "x.toml"], capsys)
    said = error_of([*words, "--split", "random"], capsys)
    assert "split must be what" in said
    assert "was prepared with, 'last', got 'random'; prepare the log again" in said


def test_part_is_chosen_for_prepared_folders_only(run_folder, log, capsys):
    said = error_of(["evaluate", str(run_folder), str(log), "--on", "train"], capsys)
    assert "--on chooses rows of a prepared folder" in said


def test_damaged_recipe_is_named(run_folder, log, tmp_path, capsys):
    other = copy_of(run_folder, tmp_path / "run")
    config = json.loads((other / "config.json").read_text())
    del config["model"]["cardinalities"]
    write_json(other / "config.json", config)
    said = error_of(["evaluate", str(other), str(log)], capsys)
    assert "config.json is damaged: it must hold model.cardinalities" in said


def test_bf16_training_reports_what_predict_gives(log, tmp_path):
    out = tmp_path / "run"
    words = ["train", str(log), "--format", "criteo", "--split", "last", "--out", str(out), *FAST]
    assert main([*words, "--precision", "bf16"]) == 0
    assert main(["evaluate", str(out), str(out / "data"), "--json", str(tmp_path / "f.json")]) == 0
    expected = json.loads((out / "metrics.json").read_text())["test"]
    assert json.loads((tmp_path / "f.json").read_text())["test"] == expected


def test_own_csv_with_every_kind_of_field_goes_all_the_way(tmp_path):
    generator = np.random.default_rng(0)
    lines = ["user,price,when,tags,visits,note,bought"]
    for _ in range(600):
        user, visits = generator.integers(0, 9), generator.integers(0, 50)
        price = "" if generator.random() < 0.1 else f"{generator.normal():.3f}"
        tags = "|".join(generator.choice(["a", "b", "c"], generator.integers(0, 3)))
        when = f"2026-01-{generator.integers(1, 29):02d} {generator.integers(0, 24):02d}:00"
        click = int(generator.random() < 0.2 + 0.06 * user)
        lines.append(f"u{user},{price},{when},{tags},{visits},x,{click}")
    raw, test = tmp_path / "c.csv", tmp_path / "test.csv"
    raw.write_text("\n".join(lines) + "\n")
    test.write_text("\n".join([lines[0], *lines[-60:]]) + "\n")
    schema = tmp_path / "schema.toml"
    schema.write_text(
        'label = "bought"\nmin_count = 2\n[fields]\nuser = { width = 2 }\n'
        'price = "numeric"\nwhen = { kind = "timestamp", time_format = "%Y-%m-%d %H:%M" }\n'
        'tags = "multivalued"\nvisits = "integer"\nnote = "dropped"\n'
    )
    out, scores = tmp_path / "run", tmp_path / "s.csv"
    words = ["train", str(raw), "--schema", str(schema), "--split", "last", "--out", str(out)]
    assert main([*words, *FAST]) == 0
    assert main(["predict", str(out), str(test), "--out", str(scores)]) == 0
    labels = [int(line[-1]) for line in lines[-60:]]
    expected = json.loads((out / "metrics.json").read_text())["test"]["auc"]
    assert auc(labels, [float(line) for line in scores.read_text().split()[1:]]) == expected


def test_failed_predict_leaves_no_file(run_folder, tmp_path, capsys):
    bad = tmp_path / "bad.txt"
    bad.write_text("1\t2\t3\n")
    out = tmp_path / "scores.csv"
    error_of(["predict", str(run_folder), str(bad), "--out", str(out)], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.txt"]


def test_pyproject_names_the_version_and_the_command():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    import ctrkit

    assert project["version"] == ctrkit.__version__
    assert project["scripts"] == {"ctrkit": "ctrkit.__main__:command"}
