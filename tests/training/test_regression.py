"""The logistic regression: its optimum, every kind of field, and what chooses the ridge."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ctrkit.embedding import FeatureEmbedding
from ctrkit.fields import FieldShape, field_shapes
from ctrkit.metrics import auc
from ctrkit.training import design, regression
from ctrkit.training.design import sample_of
from ctrkit.training.regression import (
    RIDGE_WITHOUT_VALIDATION,
    RIDGES,
    fit_regression,
    regression_bytes,
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
    np.testing.assert_allclose(found.weights, other.coef_[0], atol=0.01)
    assert found.bias == pytest.approx(other.intercept_[0], abs=0.02)


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


def test_of_many_rows_some_are_used_one_from_each_stretch(monkeypatch):
    train = rows_of(5003)
    monkeypatch.setattr(design, "READ_ROWS", 300)
    sample = sample_of(train, 1000)
    places = [np.flatnonzero((train.values == row).all(axis=1))[0] for row in sample.values]
    ends = np.arange(1, 1001) * 5003 // 1000
    assert np.searchsorted(ends, places, side="right").tolist() == list(range(1000))
    assert len({place % 5 for place in places}) == 5  # not at equal distances
    monkeypatch.setattr(regression, "MOST_ROWS", 1000)
    some, whole = fit_regression(FIELDS, train, None), fit_regression(FIELDS, sample, None)
    assert (some.num_rows, some.num_clicks) == (1000, sample.labels.sum())
    np.testing.assert_array_equal(some.weights, whole.weights)


def test_a_log_with_a_click_in_every_third_row_keeps_its_click_rate(monkeypatch):
    ids = np.zeros((3000, 1), dtype=np.int32)
    labels = (np.arange(3000) % 3 == 0).astype(np.uint8)
    sample = sample_of(SimpleNamespace(ids=ids, labels=labels, values=None), 1000)
    assert sample.labels.mean() == pytest.approx(1 / 3, abs=0.05)


def test_of_wide_rows_fewer_are_used(monkeypatch):
    assert fit_regression(FIELDS, rows_of(600), None).num_rows == 600
    monkeypatch.setattr(design, "MOST_ENTRIES", 1000)
    assert fit_regression(FIELDS, rows_of(600), rows_of(300)).num_rows == 1000 // (7 + 3)


def test_of_too_many_ids_the_most_frequent_get_a_weight(monkeypatch):
    ids = np.repeat(np.arange(8), [1, 2, 3, 4, 50, 60, 70, 80]).astype(np.int32).reshape(-1, 1)
    labels = (np.arange(len(ids)) % 3 == 0).astype(np.uint8)
    rows = SimpleNamespace(ids=ids, labels=labels, values=None)
    monkeypatch.setattr(regression, "MOST_WEIGHTS", 4)
    found = fit_regression([9], rows, rows)
    assert set(np.flatnonzero(found.weights)) == {4, 5, 6, 7}
    assert found.weights.shape == (9,)
    monkeypatch.setattr(regression, "MOST_WEIGHTS", 0)  # then no id is frequent enough
    none = fit_regression([9], rows, rows)
    assert np.count_nonzero(none.weights) <= 1
    assert 1 / (1 + np.exp(-none.bias)) == pytest.approx(labels.mean(), abs=0.02)


def test_no_bit_depends_on_the_number_of_threads():
    draw = np.random.default_rng(5)
    ids = draw.integers(0, 20_000, (30_000, 2)).astype(np.int32)
    labels = (draw.random(30_000) < 0.1 + 0.5 * (ids[:, 0] % 2)).astype(np.uint8)
    rows = SimpleNamespace(ids=ids, labels=labels, values=None)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(fit_regression([20_000, 20_000], rows, None))
    assert np.array_equal(found[0].weights, found[1].weights)
    assert found[0].bias == found[1].bias


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_class_give_finite_weights(label):
    rows = rows_of(200)
    rows.labels[:] = label
    found = fit_regression(FIELDS, rows, None)
    assert found.num_clicks == 200 * label
    assert np.isfinite(found.weights).all()
    assert abs(found.bias) > 3


def test_an_id_that_is_out_of_range_is_refused():
    rows = rows_of(50)
    rows.ids[7, 6] = 5
    with pytest.raises(ValueError, match="id column 6 has id 5 but the model knows 5 ids"):
        fit_regression(FIELDS, rows, None)


@pytest.mark.parametrize("fields", [[500] * 20, [30_000] * 20, FIELDS])
def test_its_memory_is_what_is_expected(fields):
    shapes = field_shapes(fields)
    limits = np.repeat([s.cardinality for s in shapes], [s.num_slots for s in shapes])
    draw = np.random.default_rng(6)
    ids = (draw.random((30_000, len(limits))) * limits).astype(np.int32)
    values = draw.standard_normal((30_000, 3)).astype(np.float32) if fields is FIELDS else None
    labels = draw.integers(0, 2, 30_000).astype(np.uint8)
    rows = SimpleNamespace(ids=ids, labels=labels, values=values)
    tracemalloc.start()
    fit_regression(fields, rows, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = regression_bytes(fields, 30_000)
    assert 0.3 * expected < peak < 1.1 * expected


def test_its_memory_is_bounded_for_any_log():
    def megabytes(cardinalities, num_rows):
        return regression_bytes(cardinalities, num_rows) / 1e6

    assert megabytes([1000] * 39, 10_000) < 25
    assert megabytes([10_000] * 39, 10**6) < 400
    assert megabytes([10**6] * 39, 10**9) < 550 + 24 * 39  # and 24 bytes for each id
    assert megabytes([10_000] * 39, 10**6) == megabytes([10_000] * 39, 10**9)


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
    monkeypatch.setattr(design, "READ_ROWS", 300)
    np.testing.assert_array_equal(regression_logits(found, FIELDS, train), whole)
    none = SimpleNamespace(ids=train.ids[:0], labels=train.labels[:0], values=train.values[:0])
    assert regression_logits(found, FIELDS, none).shape == (0,)
