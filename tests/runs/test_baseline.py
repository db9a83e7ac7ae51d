"""The baseline of a run: honest figures, no trace in the training, and no run lost for it."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from ctrkit.data import Field, Schema, prepare
from ctrkit.machine import free_memory
from ctrkit.runs import Run, measure_baseline, read_baseline, train_run
from ctrkit.runs.baseline import Baseline, kept_baseline
from ctrkit.training import Observer, TrainConfig, fit_regression
from ctrkit.training.checkpoints.weights import load_tensors

SCHEMA = Schema(
    (Field("shop"), Field("price", "numeric"), Field("tags", "multivalued")), label="click"
)
CONFIG = TrainConfig(epochs=2, batch_size=64, checkpoint_steps=2)
OPTIONS = {"model": "crossnet", "model_options": {"num_layers": 1, "embedding_dim": 2}}


def frame_of(num_rows, seed=0):
    draw = np.random.default_rng(seed)
    shops, prices = draw.integers(0, 9, num_rows), draw.normal(0, 1, num_rows).round(3)
    tags = [["a|b", "b|c", "", "c"][n] for n in draw.integers(0, 4, num_rows)]
    logits = 0.4 * shops - 2 + 0.8 * prices
    clicks = draw.random(num_rows) < 1 / (1 + np.exp(-logits))
    return pd.DataFrame(
        {"shop": shops.astype(str), "price": prices, "tags": tags, "click": clicks.astype(int)}
    )


def new_data(folder, num_rows=1500, **options):
    return prepare(frame_of(num_rows), schema=SCHEMA, out=folder / "data", **options)


def trained(data, out, **more):
    return train_run(data, out=out, config=CONFIG, **OPTIONS, **more)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return new_data(tmp_path_factory.mktemp("baseline"))


def metrics_of(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def test_a_run_has_the_figures_of_what_it_must_beat(data, tmp_path):
    outcome = trained(data, tmp_path / "run")
    found = metrics_of(tmp_path / "run")["baseline"]
    assert found == outcome.baseline.to_dict()
    rate = np.mean(data.train.labels)
    assert found["base_rate"]["click_rate"] == rate
    one_hot = {name: plainly_encoded(getattr(data, name)) for name in ("train", "valid", "test")}
    ridge = found["logistic_regression"]["ridge"]
    other = LogisticRegression(C=1 / ridge, tol=1e-8, max_iter=2000)
    other.fit(one_hot["train"], data.train.labels)
    for name in ("valid", "test"):
        labels = getattr(data, name).labels
        constant = log_loss(labels, np.full(len(labels), rate))
        assert found["base_rate"][name]["logloss"] == pytest.approx(constant)
        scores = other.predict_proba(one_hot[name])[:, 1]
        theirs = found["logistic_regression"][name]
        assert theirs["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=0.003)
        assert theirs["logloss"] == pytest.approx(log_loss(labels, scores), abs=0.003)
    assert found["logistic_regression"]["rows"] == len(data.train)
    assert found["logistic_regression"]["seconds"] > 0
    assert not (tmp_path / "run" / "baseline.json").exists()


def plainly_encoded(rows):
    """Return what a `FeatureEmbedding` of width 1 sums up, slot by slot."""
    encoded = np.zeros((len(rows), 200))
    for row, (shop, price, *tags) in enumerate(np.asarray(rows.ids)):
        encoded[row, shop] = 1
        encoded[row, 100 + price] = rows.values[row, 0]
        present = [tag for tag in tags if tag] or [0]
        for tag in present:
            encoded[row, 150 + tag] += 1 / len(present)
    return encoded


def test_the_model_learns_the_same_bit_for_bit_with_and_without(data, tmp_path):
    weights = []
    for baseline in (True, False):
        trained(data, tmp_path / f"{baseline}", baseline=baseline)
        found = load_tensors(tmp_path / f"{baseline}" / "checkpoints" / "best.pt")["model"]
        weights.append({name: value.numpy().tobytes() for name, value in found.items()})
    assert weights[0] == weights[1]


def test_no_generator_is_drawn_from(data):
    def states():
        of_numpy = np.random.get_state()[1].tolist()  # noqa: NPY002  what must not be drawn from
        return random.getstate(), of_numpy, torch.get_rng_state().tolist()

    before = states()
    measure_baseline(data)
    assert states() == before


def test_the_same_rows_give_the_same_figures(data):
    first, second = (measure_baseline(data).to_dict() for _ in range(2))
    for found in (first, second):
        del found["logistic_regression"]["seconds"]
    assert first == second


def test_it_can_be_left_out(data, tmp_path):
    outcome = trained(data, tmp_path / "run", baseline=False)
    assert outcome.baseline is None
    assert "baseline" not in metrics_of(tmp_path / "run")
    assert read_baseline(tmp_path / "run") is None


def test_without_validation_rows_the_ridge_is_fixed(tmp_path):
    data = new_data(tmp_path, fractions=(0.9, 0.0, 0.1))
    found = measure_baseline(data)
    assert found.ridge == 10
    assert set(found.regression) == set(found.base_rate) == {"test"}
    assert found.summary().endswith(" s, without validation rows")
    outcome = trained(data, tmp_path / "run")
    assert outcome.hints == []


def test_training_rows_alone_are_no_mistake(tmp_path):
    data = new_data(tmp_path, fractions=(1.0, 0.0, 0.0))
    trained(data, tmp_path / "run")
    found = read_baseline(tmp_path / "run")
    assert (found.regression, found.base_rate, found.left_out) == ({}, {}, None)


class Stop(Observer):
    """Ends a training as a power cut does."""

    def on_step(self, *, step, rows, loss):
        if step == 9:
            raise KeyboardInterrupt


def interrupted(data, out):
    with pytest.raises(KeyboardInterrupt):
        trained(data, out, observers=[Stop()])


def test_a_run_that_goes_on_keeps_its_baseline(data, tmp_path, monkeypatch):
    interrupted(data, tmp_path / "run")
    kept = json.loads((tmp_path / "run" / "baseline.json").read_text())
    monkeypatch.setattr("ctrkit.runs.baseline.fit_regression", lambda *_: 1 / 0)
    trained(data, tmp_path / "run", resume=True)
    assert metrics_of(tmp_path / "run")["baseline"].items() <= kept.items()
    assert not (tmp_path / "run" / "baseline.json").exists()


@pytest.mark.parametrize("content", ["", "{", '{"checksum": null}', '{"base_rate": 1}'])
def test_a_baseline_that_is_damaged_is_measured_again(data, tmp_path, content):
    interrupted(data, tmp_path / "run")
    (tmp_path / "run" / "baseline.json").write_text(content)
    outcome = trained(data, tmp_path / "run", resume=True)
    assert set(outcome.baseline.regression) == {"valid", "test"}


def test_a_run_that_starts_over_measures_anew(data, tmp_path):
    interrupted(data, tmp_path / "run")
    other = new_data(tmp_path, num_rows=800)
    outcome = trained(other, tmp_path / "run", force=True)
    assert outcome.baseline.rows == len(other.train)


def test_a_run_that_goes_on_may_drop_its_baseline(data, tmp_path):
    interrupted(data, tmp_path / "run")
    trained(data, tmp_path / "run", resume=True, baseline=False)
    assert not (tmp_path / "run" / "baseline.json").exists()
    assert "baseline" not in metrics_of(tmp_path / "run")


def fails_with(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("ctrkit.runs.baseline.fit_regression", fail)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "the memory does not suffice"),
        (MemoryError("Unable to allocate 3 GiB"), "the memory does not suffice"),
        (ImportError("no scipy"), "no scipy"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_a_regression_that_fails_costs_no_run(data, tmp_path, monkeypatch, error, reason):
    fails_with(monkeypatch, error)
    said = []
    outcome = trained(data, tmp_path / "run", say=said.append)
    assert metrics_of(tmp_path / "run")["baseline"]["logistic_regression"] == {"left_out": reason}
    assert said == [f"no logistic regression to compare with: {reason}"]
    assert outcome.baseline.base_rate["valid"].logloss > 0
    assert read_baseline(tmp_path / "run") == outcome.baseline
    assert np.isfinite(Run(tmp_path / "run").score(frame_of(5))).all()


def test_a_regression_that_would_not_fit_in_memory_is_left_out(data, tmp_path, monkeypatch):
    monkeypatch.setattr("ctrkit.runs.space.regression_bytes", lambda *_: 10**18)
    if free_memory() is not None:
        found = measure_baseline(data)
        assert "a logistic regression needs about 1,000,000,000.0 GB of memory" in found.left_out
        assert trained(data, tmp_path / "run").baseline.left_out is not None
    assert measure_baseline(data, check_space=False).left_out is None


def test_a_limit_on_addresses_leaves_room_for_the_training(data, monkeypatch):
    monkeypatch.setattr("ctrkit.runs.space.free_memory", lambda: 500 << 20)
    assert measure_baseline(data).left_out is None
    monkeypatch.setattr("ctrkit.runs.space.address_limit", lambda: 1500 << 20)
    assert "a logistic regression needs about 0." in measure_baseline(data).left_out


def test_rows_of_one_class_make_no_regression(data, monkeypatch):
    monkeypatch.setattr("ctrkit.training.regression.MOST_ROWS", 1)
    clicks = fit_regression(data.cardinalities, data.train, None).num_clicks
    assert measure_baseline(data).left_out == (
        f"the 1 training rows drawn for it must have both classes, got {clicks} clicks"
    )


def test_a_signal_ends_the_run_not_the_baseline_alone(data, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        fails_with(patched, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            trained(data, tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.json").exists()
    trained(data, tmp_path / "run")  # there is nothing in the way


def test_a_bad_id_is_told_of_by_the_training(tmp_path):
    data = new_data(tmp_path)
    data.train.ids = np.array(data.train.ids)
    data.train.ids[3, 0] = 10**6
    assert "id column 0 has id 1000000" in measure_baseline(data).left_out
    with pytest.raises(ValueError, match="id column 0 has id 1000000"):
        trained(data, tmp_path / "run")


def test_what_is_kept_is_what_was_measured(data, tmp_path):
    found = kept_baseline(tmp_path, data, check_space=True)
    again = kept_baseline(tmp_path, data, check_space=True)
    assert again == found
    assert "to beat: valid auc 0." in found.summary()


@pytest.mark.parametrize(
    "path",
    [
        ("base_rate",),
        ("base_rate", "click_rate"),
        ("base_rate", "valid"),
        ("logistic_regression",),
        ("logistic_regression", "valid"),
        ("logistic_regression", "valid", "auc"),
        ("logistic_regression", "rows"),
    ],
)
@pytest.mark.parametrize("value", ["x", [], None])
def test_a_baseline_of_another_shape_is_refused(data, path, value):
    content = json.loads(json.dumps(measure_baseline(data).to_dict()))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=r"x\.json must describe the baseline of this run, got"):
        Baseline.from_dict(content, where=Path("x.json"))


def test_a_run_of_before_has_none():
    assert read_baseline(Path(__file__).parents[1] / "formats" / "run_v1") is None
