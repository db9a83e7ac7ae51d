"""``--bad-rows`` of every command that reads raw files."""

import json
from pathlib import Path

import numpy as np
import pytest
from failing import error_of

from ctrkit.cli import main
from ctrkit.data import load
from ctrkit.synthetic import generate

TINY = ["--epochs", "1", "--batch-size", "256", "--embedding-dim", "2", "--orders", "2"]
BAD = {0: "x\n", 700: "1\t2\n", 701: "\n1\t2\t3\n", 1500: "2" + 39 * "\t" + "\n"}


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Path:
    """A folder of clean.txt and spoilt.txt, which has four lines more."""
    folder = tmp_path_factory.mktemp("raw")
    generate(folder / "clean.txt", rows=1500, seed=1)
    lines = (folder / "clean.txt").read_text().splitlines(keepends=True)
    for at, line in sorted(BAD.items(), reverse=True):
        lines.insert(at, line)
    (folder / "spoilt.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def run_folder(logs, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    words = ["train", str(logs / "spoilt.txt"), "--format", "criteo", "--out", str(out)]
    assert main([*words, "--bad-rows", "skip", *TINY]) == 0
    return out


def test_train_says_how_many_rows_it_skipped_and_where_they_are(run_folder, logs, capsys):
    words = ["prepare", str(logs / "spoilt.txt"), "--format", "criteo", "--bad-rows", "stop-after"]
    assert main([*words, "4", "--out", str(run_folder / "data")]) == 0
    said = capsys.readouterr().err
    listing = run_folder / "data" / "skipped.tsv"
    assert f"skipped 4 of 1,504 rows, which cannot be read; they are in {listing}" in said
    assert len(listing.read_text().splitlines()) == 5
    config = json.loads((run_folder / "config.json").read_text())
    assert config["data"]["skipped"] == {"train": 4}


def test_more_than_allowed_are_an_error(logs, tmp_path, capsys):
    words = [
        "prepare",
        str(logs / "spoilt.txt"),
        "--format",
        "criteo",
        "--out",
        str(tmp_path / "d"),
    ]
    said = error_of([*words, "--bad-rows", "stop-after", "3"], capsys)
    assert "spoilt.txt, line 1505: column label must be 0 or 1, got '2'; with it, 4 rows" in said
    assert not (tmp_path / "d").exists()
    assert "must have 40 columns, got 1" in error_of(words, capsys)
    assert "got 'stop-after'" in error_of([*words, "--bad-rows", "stop-after"], capsys)


def test_the_option_may_stand_in_a_settings_file(logs, tmp_path):
    (tmp_path / "x.toml").write_text('[data]\nformat = "criteo"\nbad_rows = "stop-after 4"\n')
    words = ["prepare", str(logs / "spoilt.txt"), "--config", str(tmp_path / "x.toml")]
    assert main([*words, "--out", str(tmp_path / "d")]) == 0
    assert load(tmp_path / "d").num_skipped == 4


@pytest.mark.parametrize("block_bytes", [20_000, 4 << 20])
def test_predict_gives_a_line_for_every_row(
    run_folder, logs, tmp_path, capsys, monkeypatch, block_bytes
):
    monkeypatch.setattr("ctrkit.data.encoding.stream.BLOCK_BYTES", block_bytes)
    clean = tmp_path / "clean.txt"
    # The label is not looked at here, so the last line is a good one.
    clean.write_text((logs / "clean.txt").read_text() + BAD[1500])
    scores = {}
    for path in (clean, logs / "spoilt.txt"):
        out = tmp_path / f"{path.stem}.csv"
        words = ["predict", str(run_folder), str(path), "--out", str(out), "--bad-rows", "skip"]
        assert main(words) == 0
        scores[path.stem] = np.array(out.read_text().split()[1:])
    is_bad = scores["spoilt"] == "nan"
    assert np.flatnonzero(is_bad).tolist() == [0, 701, 703]
    np.testing.assert_array_equal(scores["spoilt"][~is_bad], scores["clean"])
    said = capsys.readouterr().err
    assert "1,501 probabilities written" in said
    listing = tmp_path / "spoilt.csv.skipped.tsv"
    assert (
        "skipped 3 of 1,504 rows, which cannot be read; they are nan in it, and listed in "
        f"{listing}"
    ) in said
    lines = listing.read_text().splitlines()[1:]
    assert [line.split("\t")[1] for line in lines] == ["1", "702", "705"]  # 704 is blank
    assert not (tmp_path / "clean.csv.skipped.tsv").exists()


def test_predict_stops_after_too_many_and_leaves_nothing_behind(
    run_folder, logs, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("ctrkit.data.encoding.stream.BLOCK_BYTES", 20_000)
    words = ["predict", str(run_folder), str(logs / "spoilt.txt")]
    words += ["--out", str(tmp_path / "scores.csv")]
    said = error_of([*words, "--bad-rows", "stop-after", "2"], capsys)
    assert "spoilt.txt, line 705: must have 40 columns, got 3; with it, 3 rows are bad" in said
    assert list(tmp_path.iterdir()) == []


def test_predict_removes_the_list_of_an_earlier_file_of_scores(run_folder, logs, tmp_path):
    words = ["predict", str(run_folder), "--out", str(tmp_path / "scores.csv")]
    assert main([*words, str(logs / "spoilt.txt"), "--bad-rows", "skip"]) == 0
    assert (tmp_path / "scores.csv.skipped.tsv").exists()
    assert main([*words, str(logs / "clean.txt")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_predict_that_fails_leaves_the_scores_and_the_list_of_an_earlier_one(
    run_folder, logs, tmp_path, capsys
):
    words = ["predict", str(run_folder), "--out", str(tmp_path / "scores.csv")]
    words += [str(logs / "spoilt.txt"), "--bad-rows"]
    assert main([*words, "skip"]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 2
    error_of([*words, "stop-after 2"], capsys)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_evaluate_leaves_bad_rows_out_and_says_so(run_folder, logs, tmp_path, capsys):
    for name in ("clean", "spoilt"):
        words = ["evaluate", str(run_folder), str(logs / f"{name}.txt"), "--bad-rows", "skip"]
        assert main([*words, "--json", str(tmp_path / f"{name}.json")]) == 0
    clean, spoilt = (
        json.loads((tmp_path / f"{name}.json").read_text())[f"{name}.txt"]
        for name in ("clean", "spoilt")
    )
    assert spoilt == clean
    said = capsys.readouterr().err
    assert "skipped 4 of 1,504 rows, which cannot be read; the first is" in said
    assert "spoilt.txt, line 1: must have 40 columns, got 1" in said


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_prepared_folder_has_no_bad_rows_to_skip(run_folder, tmp_path, capsys, command):
    words = {
        "evaluate": ["evaluate", str(run_folder), str(run_folder / "data")],
        "train": ["train", str(run_folder / "data"), "--out", str(tmp_path / "run")],
    }
    said = error_of([*words[command], "--bad-rows", "skip"], capsys)
    assert f"--bad-rows is for raw files, {run_folder / 'data'} is prepared already" in said
