"""A well-tuned logistic regression on one-hot fields: what a deep model has to beat."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from ctrkit.data import Dataset, PreparedData
from ctrkit.fields import field_shapes
from ctrkit.rows import Rows
from ctrkit.training import Metrics, auc, compute_metrics
from ctrkit.training.design import design_of

PENALTIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Inverse L2 strengths tried; the validation AUC chooses."""


@dataclass(frozen=True)
class LinearResult:
    """The chosen inverse L2 strength, and the metrics on the test rows."""

    inverse_l2: float
    test: Metrics


def fit_logistic_regression(data: PreparedData) -> LinearResult:
    """Fit scikit-learn's logistic regression for every strength, keep the best on valid."""
    train, valid, test = (one_hot(data, rows) for rows in (data.train, data.valid, data.test))
    best: tuple[float, float, LogisticRegression] | None = None
    for strength in PENALTIES:
        model = LogisticRegression(C=strength, max_iter=1000, tol=1e-3)
        model.fit(train, data.train.labels)
        score = auc(data.valid.labels, model.predict_proba(valid)[:, 1])
        if best is None or score > best[0]:
            best = score, strength, model
    assert best is not None
    predicted = best[2].predict_proba(test)[:, 1]
    return LinearResult(best[1], compute_metrics(data.test.labels, predicted))


def one_hot(data: PreparedData, rows: Dataset) -> csr_matrix:
    """Return rows as a sparse 0-1 matrix, a column for every id of every field."""
    shapes = field_shapes(data.cardinalities)
    table: csr_matrix = design_of(shapes, Rows(rows.ids, rows.labels, rows.values)).table
    return table
