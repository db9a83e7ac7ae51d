"""Logloss and normalised entropy against their definitions and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from ctrkit.metrics import logloss, normalized_entropy


def test_logloss_equals_scikit_learn():
    generator = np.random.default_rng(1)
    labels, scores = generator.integers(0, 2, 400), generator.random(400)
    assert logloss(labels, scores) == pytest.approx(log_loss(labels, scores), abs=1e-12)


def test_logloss_of_a_wrong_certainty_is_finite():
    assert np.isfinite(logloss([0, 1], [1.0, 0.0]))


def test_predicting_the_click_rate_has_normalized_entropy_one():
    labels = np.array([1, 0, 0, 0, 1])
    assert normalized_entropy(labels, np.full(5, 0.4)) == pytest.approx(1.0, abs=1e-12)
