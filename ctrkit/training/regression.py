"""A logistic regression on encoded rows: the baseline of a run, and the start of a linear part.

::

    logit = bias + sum(weight[id] of all ids of the row) + values @ directions
    loss  = sum over rows of BCE + ridge / 2 * (||weight||^2 + ||directions||^2)

It has what a `FeatureEmbedding` of width 1 has: a weight for each id, scaled by the value of a
field that has one, averaged over the slots of a multi-valued field; and a direction for each value
that moves a field. Few rows suffice, since a weight is one number; and it is fitted by L-BFGS on
scaled weights, to the end, so that nothing depends on a learning rate or a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctrkit.fields import MISSING_ID, Cardinalities, FieldShape, field_shapes
from ctrkit.metrics import logloss
from ctrkit.rows import Rows
from ctrkit.training.input import Examples

MOST_ROWS = 200_000
"""Training rows that are used, at equal distances: more change a weight by less than its error."""

MOST_VALID_ROWS = 50_000
"""Validation rows that choose the ridge."""

RIDGES = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
"""From strong to weak: the first after which the validation rows gain no more is kept."""

RIDGE_WITHOUT_VALIDATION = 10.0

_MOST_ITERATIONS = 50

Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Regression:
    """A fitted logistic regression.

    Args:
        weights: ``(R,)`` of the ids of all fields, those of field f from its offset on.
        directions: ``(V,)`` of the values that move fields.
        bias: of all rows.
        ridge: the one that was chosen.
        num_rows: training rows that were used.
    """

    weights: Sums
    directions: Sums
    bias: float
    ridge: float
    num_rows: int


class _Design(NamedTuple):
    """Rows as matrices: ``table`` sparse ``(N, R)``, ``values`` dense ``(N, V)``."""

    table: Any
    values: Sums

    def logits(self, weights: Sums) -> Sums:
        """Return the logits ``(N,)`` of weights ``(R + V + 1,)``."""
        split = self.table.shape[1]
        # einsum, because its sums do not depend on the number of threads.
        found: Sums = self.table @ weights[:split] + weights[-1]
        found += np.einsum("nv,v->n", self.values, weights[split:-1])
        return found

    def transposed(self, numbers: Sums) -> Sums:
        """Return the sums ``(R + V + 1,)`` of numbers ``(N,)`` over the rows."""
        of_values = np.einsum("nv,n->v", self.values, numbers)
        return np.concatenate([self.table.T @ numbers, of_values, [numbers.sum()]])


def fit_regression(
    cardinalities: Cardinalities, train: Examples, valid: Examples | None
) -> Regression:
    """Fit a logistic regression.

    Args:
        cardinalities: of the fields, as a model takes them.
        train: training rows, with both classes.
        valid: rows that choose the ridge; None for a fixed one.
    """
    shapes = field_shapes(cardinalities)
    rows = _some_of(train, MOST_ROWS)
    design = _design(shapes, rows)
    labels = np.asarray(rows.labels, dtype=np.float64)
    weights = np.zeros(design.table.shape[1] + design.values.shape[1] + 1)
    rate = labels.mean()
    weights[-1] = np.log(rate / (1 - rate))
    scale = _scale(design, rate * (1 - rate))
    if valid is None or len(valid.labels) == 0:
        ridges: Sequence[float] = (RIDGE_WITHOUT_VALIDATION,)
    else:
        ridges = RIDGES
        held_out = _some_of(valid, MOST_VALID_ROWS)
        held_out_design, clicks = _design(shapes, held_out), np.asarray(held_out.labels)
    best, chosen, least = weights, ridges[0], np.inf
    for ridge in ridges:
        weights = _fitted(design, labels, ridge, weights, scale)
        if len(ridges) == 1:
            best = weights
            break
        loss = logloss(clicks, _sigmoid(held_out_design.logits(weights)))
        if loss >= least:
            break
        best, chosen, least = weights, ridge, loss
    split = design.table.shape[1]
    return Regression(best[:split], best[split:-1], float(best[-1]), chosen, len(labels))


def regression_logits(regression: Regression, cardinalities: Cardinalities, rows: Examples) -> Sums:
    """Return the logits ``(N,)`` of rows."""
    parts = (regression.weights, regression.directions, np.array([regression.bias]))
    shapes, weights = field_shapes(cardinalities), np.concatenate(parts)
    starts = range(0, len(rows.ids), MOST_VALID_ROWS)
    blocks = (_rows(rows, slice(start, start + MOST_VALID_ROWS)) for start in starts)
    return np.concatenate([np.empty(0), *(_design(shapes, b).logits(weights) for b in blocks)])


def _rows(rows: Examples, index: slice) -> Rows:
    values = None if rows.values is None else np.asarray(rows.values[index])
    return Rows(np.asarray(rows.ids[index]), np.asarray(rows.labels[index]), values)


def _some_of(rows: Examples, most: int) -> Rows:
    return _rows(rows, slice(None, None, max(1, -(-len(rows.labels) // most))))


def _design(shapes: Sequence[FieldShape], rows: Rows) -> _Design:
    from scipy.sparse import csr_matrix  # here, since most of the package does without

    num_rows = len(rows.ids)
    first_row: list[int] = []
    total = 0
    for shape in shapes:
        own = shape.shares_with is None
        first_row.append(total if own else first_row[shape.shares_with or 0])
        total += shape.cardinality if own else 0
    weights = np.ones(rows.ids.shape)
    moving: list[NDArray[Any]] = []
    columns = rows.ids.astype(np.int64)
    slot = column = 0
    for shape, first in zip(shapes, first_row, strict=True):
        slots = slice(slot, slot + shape.num_slots)
        columns[:, slots] += first
        if shape.num_slots > 1:
            weights[:, slots] = _shares(rows.ids[:, slots])
        if rows.values is not None and shape.has_value:
            weights[:, slot] = rows.values[:, column]
        elif rows.values is not None:
            moving += list(rows.values[:, column : column + shape.num_values].T)
        slot, column = slots.stop, column + shape.value_columns
    starts = np.arange(num_rows + 1) * rows.ids.shape[1]
    table = csr_matrix((weights.ravel(), columns.ravel(), starts), shape=(num_rows, total))
    values = np.stack(moving, axis=1) if moving else np.empty((num_rows, 0))
    return _Design(table, values.astype(np.float64))


def _shares(ids: NDArray[np.int32]) -> Sums:
    """Return the share of each slot in a mean over those that hold a value."""
    present = ids != MISSING_ID
    # With no value at all, the first slot, which holds MISSING_ID, stands for the row.
    present[:, 0] |= ~present.any(axis=1)
    found: Sums = present / present.sum(axis=1, keepdims=True)
    return found


def _scale(design: _Design, curvature: float) -> Sums:
    """Return the squares' sums of each column, of which the loss has so much curvature."""
    squares = design.table.multiply(design.table).sum(axis=0)
    of_values = np.einsum("nv,nv->v", design.values, design.values)
    rows = float(design.table.shape[0])
    return curvature * np.concatenate([np.asarray(squares).ravel(), of_values, [rows]])


def _fitted(design: _Design, labels: Sums, ridge: float, start: Sums, scale: Sums) -> Sums:
    from scipy.optimize import minimize

    # A weight times the root of its curvature: frequent and rare ids then move alike.
    roots = np.sqrt(scale + ridge)
    penalised = np.ones(len(start))
    penalised[-1] = 0.0

    def loss(scaled: Sums) -> tuple[float, Sums]:
        weights = scaled / roots
        logits = design.logits(weights)
        bce = np.logaddexp(0, logits) - labels * logits
        penalty = ridge / 2 * float(penalised @ (weights * weights))
        gradient = design.transposed(_sigmoid(logits) - labels) + ridge * penalised * weights
        return float(bce.sum()) + penalty, gradient / roots

    options = {"maxiter": _MOST_ITERATIONS, "ftol": 1e-8, "gtol": 1e-6}
    found = minimize(loss, start * roots, jac=True, method="L-BFGS-B", options=options)
    weights: Sums = found.x / roots
    return weights


def _sigmoid(logits: Sums) -> Sums:
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
