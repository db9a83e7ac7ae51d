"""The logistic regression: its optimum, every kind of field, and what chooses the ridge."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ctrkit.embedding import FeatureEmbedding
from ctrkit.fields import FieldShape
from ctrkit.metrics import auc
from ctrkit.training import regression
from ctrkit.training.regression import (
    RIDGE_WITHOUT_VALIDATION,
    RIDGES,
    fit_regression,
    regression_logits,
)

FIELDS = [
    5,
    FieldShape(cardinality=2, has_value=True),
    FieldShape(cardinality=6, num_slots=3),
    FieldShape(cardinality=4, num_values=2),
    FieldShape(cardinality=5, shares_with=0),
]


def rows_of(num_rows, seed=0, signal=1.0):
    draw = np.random.default_rng(seed)
    truth = np.random.default_rng(99).standard_normal((7, 6))
    ids = np.column_stack(
        [
            draw.integers(0, 5, num_rows),
            draw.integers(0, 2, num_rows),
            draw.integers(0, 6, (num_rows, 3)),
            draw.integers(0, 4, num_rows),
            draw.integers(0, 5, num_rows),
        ]
    ).astype(np.int32)
    values = draw.standard_normal((num_rows, 3)).astype(np.float32)
    logits = signal * (truth[np.arange(7), ids].sum(axis=1) + values[:, 1]) - 1
    labels = (draw.random(num_rows) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    return SimpleNamespace(ids=ids, labels=labels, values=values)


def test_it_scores_as_an_embedding_of_width_one():
    train, valid = rows_of(3000), rows_of(500, seed=1)
    found = fit_regression(FIELDS, train, valid)
    weights = FeatureEmbedding(FIELDS, 1, ignore_widths=True).double()
    with torch.no_grad():
        weights.tables[0].copy_(torch.from_numpy(found.weights).unsqueeze(1))
        weights.directions.copy_(torch.from_numpy(found.directions).unsqueeze(1))
        parts = weights(torch.from_numpy(valid.ids), torch.from_numpy(valid.values).double())
    expected = parts.sum((1, 2)).numpy() + found.bias
    np.testing.assert_allclose(regression_logits(found, FIELDS, valid), expected, atol=1e-10)


def test_it_is_the_optimum_that_another_solver_finds():
    draw = np.random.default_rng(3)
    ids = draw.integers(0, 8, (2000, 3)).astype(np.int32)
    labels = (draw.random(2000) < 0.2 + 0.5 * (ids[:, 0] > 5)).astype(np.uint8)
    train = SimpleNamespace(ids=ids, labels=labels, values=None)
    found = fit_regression([8, 8, 8], train, None)
    assert found.ridge == RIDGE_WITHOUT_VALIDATION
    one_hot = np.eye(24)[ids + np.array([0, 8, 16])].sum(axis=1)
    other = LogisticRegression(C=1 / found.ridge, tol=1e-10, max_iter=5000).fit(one_hot, labels)
    np.testing.assert_allclose(found.weights, other.coef_[0], atol=2e-3)
    assert found.bias == pytest.approx(other.intercept_[0], abs=2e-3)


def test_validation_rows_choose_a_stronger_ridge_where_there_is_less_to_learn():
    def ridge(num_rows, signal):
        rows = rows_of(num_rows, signal=signal), rows_of(4000, seed=1, signal=signal)
        return fit_regression(FIELDS, *rows).ridge

    assert ridge(200, 0.0) > ridge(20_000, 1.0)
    assert ridge(200, 0.0) in RIDGES


def test_it_learns_what_is_linear():
    draw = np.random.default_rng(4)
    ids = draw.integers(0, 9, (25_000, 2)).astype(np.int32)
    values = draw.standard_normal((25_000, 1)).astype(np.float32)
    truth = draw.standard_normal((2, 9))[np.arange(2), ids].sum(axis=1) + 0.7 * values[:, 0]
    labels = (draw.random(25_000) < 1 / (1 + np.exp(-truth))).astype(np.uint8)
    train, valid = (
        SimpleNamespace(ids=ids[part], labels=labels[part], values=values[part])
        for part in (slice(20_000), slice(20_000, None))
    )
    fields = [9, FieldShape(cardinality=9, num_values=1)]
    logits = regression_logits(fit_regression(fields, train, valid), fields, valid)
    assert auc(valid.labels, logits) > auc(valid.labels, truth[20_000:]) - 0.002


def test_of_many_rows_some_are_used_at_equal_distances(monkeypatch):
    train = rows_of(5000)
    monkeypatch.setattr(regression, "MOST_ROWS", 1000)
    some = fit_regression(FIELDS, train, None)
    every_fifth = SimpleNamespace(
        ids=train.ids[::5], labels=train.labels[::5], values=train.values[::5]
    )
    assert some.num_rows == 1000
    np.testing.assert_array_equal(some.weights, fit_regression(FIELDS, every_fifth, None).weights)


def test_clicks_that_ids_tell_for_sure_do_not_blow_up():
    ids = np.arange(40, dtype=np.int32).reshape(-1, 1) % 2
    rows = SimpleNamespace(ids=ids, labels=ids[:, 0].astype(np.uint8), values=None)
    found = fit_regression([2], rows, rows)
    assert np.isfinite(found.weights).all()
    assert auc(rows.labels, regression_logits(found, [2], rows)) == 1.0


def test_rows_that_end_within_a_block_are_scored(monkeypatch):
    train = rows_of(700)
    found = fit_regression(FIELDS, train, None)
    whole = regression_logits(found, FIELDS, train)
    monkeypatch.setattr(regression, "MOST_VALID_ROWS", 300)
    np.testing.assert_array_equal(regression_logits(found, FIELDS, train), whole)
    none = SimpleNamespace(ids=train.ids[:0], labels=train.labels[:0], values=train.values[:0])
    assert regression_logits(found, FIELDS, none).shape == (0,)
