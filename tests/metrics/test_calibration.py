"""Expected calibration error against its definition."""

import numpy as np
import pytest

from ctrkit.metrics import compute_metrics, expected_calibration_error


def test_calibration_error_of_bins_written_out():
    labels = np.array([0, 1, 1, 1])
    predicted = np.array([0.1, 0.3, 0.6, 0.8])
    # Two bins: |0.5 - 0.2| and |1.0 - 0.7|, each of half the rows.
    assert expected_calibration_error(labels, predicted, num_bins=2) == pytest.approx(0.3)


def test_calibration_error_is_the_same_in_any_order_of_the_rows():
    generator = np.random.default_rng(0)
    labels, predicted = generator.integers(0, 2, 1000), generator.integers(0, 9, 1000) / 10
    order = generator.permutation(1000)  # ties lie on both sides of most edges between bins
    expected = expected_calibration_error(labels, predicted)
    assert expected_calibration_error(labels[order], predicted[order]) == expected


@pytest.mark.parametrize("rates", [[0.25], [0.1, 0.2, 0.3, 0.4]])
def test_calibration_error_vanishes_when_equal_predictions_are_the_click_rate(rates):
    predicted = np.repeat(rates, 100)
    labels = np.concatenate([np.arange(100) < 100 * rate for rate in rates]).astype(int)
    assert expected_calibration_error(labels, predicted, num_bins=7) < 1e-12


def test_calibration_error_vanishes_when_predictions_are_the_truth():
    generator = np.random.default_rng(0)
    predicted = generator.random(200_000)
    labels = (generator.random(200_000) < predicted).astype(int)
    assert expected_calibration_error(labels, predicted) < 0.01
    assert compute_metrics(labels, predicted).predicted_ratio == pytest.approx(1.0, abs=0.01)
