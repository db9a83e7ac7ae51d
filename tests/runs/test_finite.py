"""No score that is not a number leaves ctrkit."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from failing import error_of

from ctrkit.data import Dataset, load, prepare
from ctrkit.runs import Run, train_run
from ctrkit.training import TrainConfig
from ctrkit.training.checkpoints.weights import load_tensors, save_tensors

FRAME = pd.DataFrame(
    {
        "user": [f"u{row % 5}" for row in range(600)],
        "price": [row % 7 + 0.25 for row in range(600)],
        "click": [int(row % 3 == 0) for row in range(600)],
    }
)
OPTIONS = {
    "model": "crossnet",
    "model_options": {"num_layers": 2, "embedding_dim": 2},
    "config": TrainConfig(epochs=1),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    FRAME.to_csv(folder / "log.csv", index=False)
    train_run(prepare(FRAME, out=folder / "data", split="last"), out=folder / "run", **OPTIONS)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def change_weights(folder, change):
    path = folder / "run/checkpoints/best.pt"
    weights = {name: value.clone() for name, value in load_tensors(path)["model"].items()}
    change(weights)
    save_tensors(path, {"model": weights})


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(folder, number):
    change_weights(folder, lambda weights: weights["output.weight"][0, 1].fill_(number))
    message = r"best.pt must hold finite weights, got NaN or infinity in output.weight"
    with pytest.raises(ValueError, match=message):
        Run(folder / "run")


LARGE_ID = 5
"""Two ids are reserved; those from 2 to 6 are users."""


def enlarge_one_user(weights):
    """Make the vector of a user so large that its products overflow."""
    weights["embedding.tables.0"][LARGE_ID] = 3e38


def first_bad(made):
    encoder = Run(made / "run").encoder
    ids = encoder.encode(FRAME, label="ignore").ids[:, 0]
    return int(np.flatnonzero(ids == LARGE_ID)[0])


def test_a_score_that_overflows_names_its_row(folder, made, tmp_path, capsys):
    change_weights(folder, enlarge_one_user)
    run = Run(folder / "run")
    row = first_bad(made) + 1
    message = rf"run: the score of row {row} must be finite, got (nan|-?inf)"
    with pytest.raises(FloatingPointError, match=message):
        run.score(FRAME)
    with pytest.raises(FloatingPointError, match=message):
        list(run.score_files([made / "log.csv"]))
    with pytest.raises(FloatingPointError, match=message):
        run.evaluate_files([made / "log.csv"])
    with pytest.raises(FloatingPointError, match=rf"train rows of .*data: the score of row {row} "):
        run.evaluate_rows(load(folder / "data"), "train")
    words = [str(folder / "run"), str(made / "log.csv")]
    out = tmp_path / "scores.csv"
    assert f"the score of row {row} " in error_of(["predict", *words, "--out", str(out)], capsys)
    assert f"the score of row {row} " in error_of(["evaluate", *words], capsys)
    assert list(tmp_path.glob("*scores*")) == []


def test_rows_that_do_not_overflow_are_scored(folder, made):
    change_weights(folder, enlarge_one_user)
    row = first_bad(made)
    frame = FRAME.drop(index=FRAME.index[FRAME["user"] == FRAME["user"][row]])
    assert np.isfinite(Run(folder / "run").score(frame)).all()


def test_a_late_row_is_counted_from_the_first(folder, made):
    change_weights(folder, enlarge_one_user)
    row = first_bad(made)
    others = FRAME[FRAME["user"] != FRAME["user"][row]]
    many = pd.concat([others] * 200 + [FRAME.iloc[[row]]])
    with pytest.raises(FloatingPointError, match=rf"score of row {len(many):,} must be finite"):
        Run(folder / "run").score(many)


def test_a_test_row_that_overflows_does_not_cost_the_run(tmp_path):
    data = prepare(FRAME, out=tmp_path / "data", split="last")
    values = np.array(data.test.values)
    values[3] = 3e38
    data.test = Dataset(np.array(data.test.ids), np.array(data.test.labels), values)
    message = r"run is trained and written, without some figures: test rows .* score of row 4 must"
    with pytest.raises(FloatingPointError, match=message):
        train_run(data, out=tmp_path / "run", **OPTIONS)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["valid"]["rows"] == len(data.valid)
    assert "test" not in metrics
    assert np.isfinite(Run(tmp_path / "run").score(FRAME)).all()
    assert torch.isfinite(Run(tmp_path / "run").model.output.weight).all()
