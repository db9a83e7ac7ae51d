"""All metrics together: what they say, what they refuse, what memory they take."""

import tracemalloc

import numpy as np
import pytest

from ctrkit.metrics import compute_metrics, constant_metrics


def test_probabilities_outside_the_unit_interval_are_an_error():
    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\], got .* to .*1.5"):
        compute_metrics([0, 1], [0.5, 1.5])


def test_metrics_say_what_they_were_computed_on():
    metrics = compute_metrics([0, 1, 0], [0.1, 0.9, 0.3])
    assert (metrics.rows, metrics.clicks, metrics.auc) == (3, 1, 1.0)
    assert set(metrics.to_dict()) >= {"auc", "logloss", "calibration_error", "rows", "clicks"}


@pytest.mark.parametrize("probability", [0.25, 0.031, 0.9])
def test_metrics_of_a_constant_are_those_of_as_many_predictions(probability):
    labels = np.arange(1000) % 7 == 0
    found = constant_metrics(probability, rows=1000, clicks=int(labels.sum()))
    expected = compute_metrics(labels, np.full(1000, probability))
    assert found.to_dict() == pytest.approx(expected.to_dict(), rel=1e-9)


def test_a_constant_needs_both_classes_too():
    with pytest.raises(ValueError, match="needs both classes, got 0 clicks in 9 rows"):
        constant_metrics(0.5, rows=9, clicks=0)


def test_all_metrics_together_take_less_than_40_bytes_a_row():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 100_000, dtype=np.uint8)
    probabilities = generator.random(100_000)
    tracemalloc.start()
    compute_metrics(labels, probabilities)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * len(labels)
