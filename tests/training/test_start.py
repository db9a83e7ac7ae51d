"""The start of a training: small logits around the click rate, for every model."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_rows import make_rows

from ctrkit.fields import FieldShape
from ctrkit.models import MODELS, CTRModel
from ctrkit.training import TrainConfig, Trainer, evaluate, score
from ctrkit.training.regression import fit_regression, regression_logits
from ctrkit.training.start import START_DEVIATION, set_start

FIELDS = [6, 6, FieldShape(cardinality=6, num_values=1)]


def rows_of(num_rows, seed=0):
    rows = make_rows(num_rows, seed)
    values = np.random.default_rng(seed).standard_normal((num_rows, 1)).astype(np.float32)
    # One click in about eight rows; the third field has an effect of its own.
    kept = 0.1 + 0.3 * (rows.ids[:, 2] < 3)
    labels = rows.labels * (np.random.default_rng(seed + 1).random(num_rows) < kept)
    return SimpleNamespace(ids=rows.ids, labels=labels.astype(np.uint8), values=values)


TRAIN, VALID = rows_of(3000), rows_of(800, seed=5)


def new_model(name, linear):
    torch.manual_seed(3)
    options = {"linear": ("ids" if linear else "vectors") if name == "xdeepfm" else linear}
    return MODELS[name](FIELDS, embedding_dim=4, embedding_init="xavier_normal", **options)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_calibrated_start_predicts_the_click_rate_with_small_logits(name, linear):
    model = new_model(name, linear)
    set_start(model, "calibrated", TRAIN, VALID)
    logits = score(model, TRAIN).astype(np.float64)
    assert logits.std() <= START_DEVIATION * 1.001
    if model.can_shift:
        mean = (1 / (1 + np.exp(-logits))).mean()
        assert mean == pytest.approx(TRAIN.labels.mean(), rel=1e-4)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_start_at_a_regression_scores_nearly_as_it(name):
    model = new_model(name, linear=True)
    set_start(model, "regression", TRAIN, VALID)
    fitted = regression_logits(fit_regression(FIELDS, TRAIN, VALID), FIELDS, VALID)
    difference = score(model, VALID) - fitted
    assert difference.std() <= START_DEVIATION * 1.2
    assert abs(difference.mean()) < 0.1


def test_without_a_linear_part_a_regression_is_a_calibrated_start():
    first, second = new_model("dcnv2", False), new_model("dcnv2", False)
    set_start(first, "regression", TRAIN, VALID)
    set_start(second, "calibrated", TRAIN, VALID)
    np.testing.assert_array_equal(score(first, VALID), score(second, VALID))


def test_a_start_as_built_changes_nothing():
    model = new_model("eulernet", True)
    before = score(model, VALID)
    set_start(model, "built", TRAIN, VALID)
    np.testing.assert_array_equal(score(model, VALID), before)


class OnlyWeights(CTRModel):
    """A model whose logits end in no layer that could be scaled or shifted."""

    def __init__(self, cardinalities):
        super().__init__(cardinalities, embedding_dim=4)

    def interact(self, vectors):
        return 3.0 + vectors.sum((1, 2))


def test_a_model_that_cannot_be_changed_starts_as_built():
    model = OnlyWeights(FIELDS)
    before = score(model, VALID)
    set_start(model, "calibrated", TRAIN, VALID)
    np.testing.assert_array_equal(score(model, VALID), before)


def fit(start, folder=None, resume=False, **options):
    given = {"epochs": 2, "batch_size": 256, "start": start, "checkpoint_steps": 5, **options}
    model = new_model("eulernet", True)
    model.rescale_output(1.0, 6.0)  # far from the click rate
    result = Trainer(TrainConfig(**given)).fit(
        model, TRAIN, VALID, keep_start=True, checkpoints=folder, resume=resume
    )
    return model, result


def test_training_begins_there():
    _, built = fit("built")
    _, calibrated = fit("calibrated")
    _, regression = fit("regression")
    first = [result.history[0].valid_logloss for result in (built, calibrated, regression)]
    assert first[0] > first[1] > first[2]
    entropy = -np.mean(np.log(np.where(VALID.labels, *((m := TRAIN.labels.mean()), 1 - m))))
    assert first[1] == pytest.approx(entropy, abs=0.01)


def test_training_draws_the_same_numbers_whatever_the_start():
    model, _ = fit("calibrated")
    again, _ = fit("calibrated")
    np.testing.assert_array_equal(score(model, VALID), score(again, VALID))


def test_a_resumed_run_does_not_start_again(tmp_path, monkeypatch):
    whole, _ = fit("regression", tmp_path / "whole")

    class StopError(Exception):
        pass

    from ctrkit.training import loop

    step = loop.Loop._train_step

    def stopping(self, batch):
        if self.step == 12:
            raise StopError
        step(self, batch)

    monkeypatch.setattr(loop.Loop, "_train_step", stopping)
    with pytest.raises(StopError):
        fit("regression", tmp_path / "cut")
    monkeypatch.setattr(loop.Loop, "_train_step", step)
    monkeypatch.setattr(loop, "set_start", lambda *_: pytest.fail("a resumed run started again"))
    resumed, _ = fit("regression", tmp_path / "cut", resume=True)
    np.testing.assert_array_equal(score(resumed, VALID), score(whole, VALID))
    assert evaluate(resumed, VALID).auc > 0.5


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="unknown start 'warm'"):
        TrainConfig(start="warm")
