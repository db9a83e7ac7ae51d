"""A logistic regression on encoded rows: the baseline of a run, and the start of a linear part.

::

    logit = bias + sum(weight[id] of all ids of the row) + values @ directions
    loss  = sum over rows of BCE + ridge / 2 * (||weight||^2 + ||directions||^2)

It has what a `FeatureEmbedding` of width 1 has: a weight for each id, scaled by the value of a
field that has one, averaged over the slots of a multi-valued field; and a direction for each value
that moves a field. Few rows suffice, since a weight is one number; and it is fitted by L-BFGS on
scaled weights until it gains no more, so that nothing depends on a learning rate or a seed. Time
and memory are bounded for logs of any size, and no bit depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctrkit.fields import Cardinalities, FieldShape, field_shapes
from ctrkit.machine import one_blas_thread
from ctrkit.metrics import logloss
from ctrkit.training.design import (
    Design,
    Sums,
    blocks_of_designs,
    design_of,
    num_entries,
    num_sampled,
    sample_of,
)
from ctrkit.training.input import Examples

MOST_ROWS = 200_000
"""Training rows that are used: more change a weight by less than its error."""

MOST_VALID_ROWS = 50_000
"""Validation rows that choose the ridge."""

MOST_WEIGHTS = 1_000_000
"""Ids that get a weight, the most frequent of the rows that are used; all others have 0."""

RIDGES = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
"""From strong to weak: the first after which the validation rows gain no more is kept."""

RIDGE_WITHOUT_VALIDATION = 10.0

ENTRY_BYTES = 32
"""Of an id or value in a matrix, and of what is made on the way to it."""

FITTED_BYTES = 280
"""Of a weight: L-BFGS keeps ten steps and ten changes of the gradient."""

WEIGHT_BYTES = 24
"""Of a weight that is not fitted."""

_MOST_ITERATIONS = 50
_LEAST_GAIN = 1e-6  # of an iteration, as a part of the loss


@dataclass(frozen=True)
class Regression:
    """A fitted logistic regression.

    Args:
        weights: ``(R,)`` of the ids of all fields, those of field f from its offset on.
        directions: ``(V,)`` of the values that move fields.
        bias: of all rows.
        ridge: the one that was chosen.
        num_rows: training rows that were used.
        num_clicks: clicks among them; with none, or nothing else, all weights are near 0.
    """

    weights: Sums
    directions: Sums
    bias: float
    ridge: float
    num_rows: int
    num_clicks: int


def fit_regression(
    cardinalities: Cardinalities, train: Examples, valid: Examples | None
) -> Regression:
    """Fit a logistic regression.

    Args:
        cardinalities: of the fields, as a model takes them.
        train: training rows, with both classes.
        valid: rows that choose the ridge; None for a fixed one.

    Raises:
        ValueError: if an id is out of range.
    """
    shapes = field_shapes(cardinalities)
    rows = sample_of(train, num_sampled(len(train.ids), shapes, MOST_ROWS))
    labels = np.asarray(rows.labels, dtype=np.float64)
    design = design_of(shapes, rows)
    del rows
    num_ids = design.table.shape[1]
    is_kept = _most_frequent(design)
    design = design.with_columns_of(is_kept)
    with one_blas_thread():
        fitted = _Fit(design, labels, is_kept)
        if valid is None or len(valid.ids) == 0:
            best = fitted.weights(RIDGE_WITHOUT_VALIDATION)
            chosen = RIDGE_WITHOUT_VALIDATION
        else:
            best, chosen = _best(fitted, shapes, valid)
    return Regression(
        best[:num_ids], best[num_ids:-1], float(best[-1]), chosen, len(labels), int(labels.sum())
    )


def regression_logits(regression: Regression, cardinalities: Cardinalities, rows: Examples) -> Sums:
    """Return the logits ``(N,)`` of rows."""
    parts = (regression.weights, regression.directions, np.array([regression.bias]))
    shapes, weights = field_shapes(cardinalities), np.concatenate(parts)
    blocks = (design.logits(weights) for design in blocks_of_designs(shapes, rows))
    return np.concatenate([np.empty(0), *blocks])


def regression_bytes(cardinalities: Cardinalities, num_rows: int) -> int:
    """Return about how much memory `fit_regression` takes at most on so many training rows."""
    shapes = field_shapes(cardinalities)
    entries = num_entries(shapes) * num_sampled(num_rows, shapes, MOST_ROWS)
    num_ids = sum(shape.cardinality for shape in shapes if shape.shares_with is None)
    num_fitted = min(num_ids, entries, MOST_WEIGHTS)
    return ENTRY_BYTES * entries + FITTED_BYTES * num_fitted + WEIGHT_BYTES * num_ids


def _best(fit: _Fit, shapes: Sequence[FieldShape], valid: Examples) -> tuple[Sums, float]:
    """Return the weights with the least loss on validation rows, and their ridge."""
    held_out = sample_of(valid, num_sampled(len(valid.ids), shapes, MOST_VALID_ROWS))
    design, clicks = design_of(shapes, held_out), np.asarray(held_out.labels)
    best, chosen, least = np.empty(0), RIDGES[0], np.inf
    for ridge in RIDGES:
        weights = fit.weights(ridge)
        loss = logloss(clicks, _sigmoid(design.logits(weights)))
        if loss >= least:
            break
        best, chosen, least = weights, ridge, loss
    return best, chosen


def _most_frequent(design: Design) -> NDArray[np.bool_]:
    """Return which ids ``(R,)`` are fitted: those that occur, at most `MOST_WEIGHTS` of them."""
    counts = np.bincount(design.table.indices, minlength=design.table.shape[1])
    fewest = 1
    while np.count_nonzero(counts >= fewest) > MOST_WEIGHTS:
        fewest += 1
    is_kept = counts >= fewest
    is_kept[0] |= not is_kept.any()
    return is_kept


class _Fit:
    """The training of one regression, from ridge to ridge."""

    def __init__(self, design: Design, labels: Sums, is_kept: NDArray[np.bool_]) -> None:
        self.design = design
        self.labels = labels
        self.is_kept = is_kept
        num_clicks, num_rows = labels.sum() + 0.5, len(labels) + 1  # finite without any click
        rate = num_clicks / num_rows
        self.curvature = rate * (1 - rate) * design.squares()
        self.fitted = np.zeros(len(self.curvature))
        self.fitted[-1] = np.log(rate / (1 - rate))

    def weights(self, ridge: float) -> Sums:
        """Fit with a ridge, from the last weights on; return the weights ``(R + V + 1,)``."""
        self.fitted = self._minimum(ridge)
        num_fitted = int(np.count_nonzero(self.is_kept))
        found = np.zeros(len(self.is_kept) + len(self.fitted) - num_fitted)
        found[: len(self.is_kept)][self.is_kept] = self.fitted[:num_fitted]
        found[len(self.is_kept) :] = self.fitted[num_fitted:]
        return found

    def _minimum(self, ridge: float) -> Sums:
        from scipy.optimize import minimize

        # A weight times the root of its curvature: frequent and rare ids then move alike.
        roots = np.sqrt(self.curvature + ridge)
        ridges = np.append(np.full(len(roots) - 1, ridge), 0.0)

        def loss(scaled: Sums) -> tuple[float, Sums]:
            weights = scaled / roots
            logits = self.design.logits(weights)
            bce = np.logaddexp(0, logits) - self.labels * logits
            penalties = ridges * weights
            gradient = self.design.transposed(_sigmoid(logits) - self.labels) + penalties
            return float(bce.sum()) + float(penalties @ weights) / 2, gradient / roots

        options = {"maxiter": _MOST_ITERATIONS, "ftol": _LEAST_GAIN, "gtol": 1e-6}
        found = minimize(loss, self.fitted * roots, jac=True, method="L-BFGS-B", options=options)
        weights: Sums = found.x / roots
        return weights


def _sigmoid(logits: Sums) -> Sums:
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
