"""The choice of crosses: combinations of fields that add to a logistic regression, out of fold.

On a sample of the training rows, in folds::

    z     = logit of a logistic regression on the single fields, fitted without the row's fold
    d[k]  = sum(y - p) / (sum(p (1 - p)) + ridge)     over rows of combination k out of the fold,
                                                      one Newton step from z, p = sigmoid(z)
    gain  = mean(loss(z) - loss(z + d[k]))            in nats per row

The combination with the largest gain joins the regression (z becomes z + d), and so on, until the
gain of none is as many times its standard error as `LEAST_GAIN`. What single fields, or
combinations chosen before, explain already therefore adds nothing. All sums are over whole columns,
so that hundreds of pairs take a second or two.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit.data.columns import mix

SAMPLE_ROWS = 60_000
"""Training rows that are looked at, at most."""

MOST_PAIRS = 2_000
"""Pairs that are tried: of many fields, those of the fields that explain most."""

MOST_CROSSES = 6
MOST_LEADERS = 6
"""Best pairs to which a third field is added on trial."""

MOST_CANDIDATES = 60
"""Combinations that are tried again after each choice."""

LEAST_GAIN = 3.0
"""A combination is chosen if its gain is so many times its standard error."""

LARGEST_SHARE = 0.9
"""A combination with more distinct values than this share of the rows is not tried."""

_FOLDS = 5
_RIDGES = (2.0, 10.0)
_BASE_RIDGES = (3.0, 30.0)
_BASE_PASSES = 8
_DAMPING = 0.7
"""Of a Newton step on one field, since the fields overlap."""

_LARGEST_STEP = 3.0

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Screened:
    """A combination that was chosen.

    Args:
        name: ``"user+item"``.
        gain: what it adds to the regression, in nats per row, out of fold.
        errors: the gain in standard errors.
    """

    name: str
    gain: float
    errors: float


def screen(
    codes: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], names: Sequence[str]
) -> list[Screened]:
    """Return the combinations worth a field, the best first.

    Args:
        codes: ``(N, F)`` categories of the sampled rows.
        labels: ``(N,)`` their clicks.
        names: ``(F,)`` of the fields.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> codes = draw.integers(0, 4, (4000, 3))
        >>> chances = np.where(codes[:, 0] == codes[:, 2], 0.6, 0.1)
        >>> labels = (draw.random(4000) < chances).astype(np.uint8)
        >>> [found.name for found in screen(codes, labels, ["a", "b", "c"])]
        ['a+c']
    """
    if not 0 < np.count_nonzero(labels) < len(labels):
        return []
    table = _Screening(codes, labels, names)
    candidates = table.candidates()
    chosen: list[Screened] = []
    while candidates and len(chosen) < MOST_CROSSES:
        gains = [table.gain(one) for one in candidates]
        best = max(range(len(gains)), key=lambda at: gains[at].mean)
        found, members = gains[best], candidates.pop(best)
        if found.mean < LEAST_GAIN * found.error:
            break
        chosen.append(Screened(table.name(members), found.mean, found.mean / found.error))
        table.logits += found.step
    return chosen


@dataclass(frozen=True)
class _Gain:
    mean: float
    error: float
    step: Numbers


class _Screening:
    """Sampled rows, and the logits of what was chosen so far."""

    def __init__(
        self, codes: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], names: Sequence[str]
    ) -> None:
        self.names = names
        self.labels = labels.astype(np.float64)
        # By a hash: a generator may be the very one that made the rows.
        scrambled = mix(np.arange(len(labels), dtype=np.uint64)) % np.uint64(_FOLDS)
        self.folds = scrambled.astype(np.int64)
        columns = [pd.factorize(column)[0].astype(np.int64) for column in codes.T]
        self.columns = {f: c for f, c in enumerate(columns) if c.max(initial=0) > 0}
        fits = [self._base(ridge) for ridge in _BASE_RIDGES]
        self.logits = min(fits, key=lambda logits: float(self._loss(logits).mean()))

    def name(self, members: tuple[int, ...]) -> str:
        """Return the name of a combination."""
        return "+".join(self.names[member] for member in members)

    def candidates(self) -> list[tuple[int, ...]]:
        """Return pairs, and triples of the best pairs, the most promising first."""
        gains: dict[tuple[int, ...], float] = {}
        pairs = itertools.islice(itertools.combinations(self._ranked(), 2), MOST_PAIRS)
        for first, second in pairs:
            self._try((min(first, second), max(first, second)), gains)
        leaders = sorted(gains, key=lambda one: -gains[one])[:MOST_LEADERS]
        for pair in leaders:
            for third in self.columns:
                if third not in pair:
                    self._try(tuple(sorted((*pair, third))), gains)
        return sorted(gains, key=lambda one: -gains[one])[:MOST_CANDIDATES]

    def _try(self, members: tuple[int, ...], gains: dict[tuple[int, ...], float]) -> None:
        if members not in gains:
            found = self.gain(members)
            if found.mean > -np.inf:
                gains[members] = found.mean

    def gain(self, members: tuple[int, ...]) -> _Gain:
        """Return what a combination adds to the present logits."""
        cells = self._cells(members)
        num_cells = int(cells.max()) + 1
        if num_cells > LARGEST_SHARE * len(cells):
            return _Gain(-np.inf, 1.0, np.zeros(1))
        p = 1 / (1 + np.exp(-self.logits))
        residuals, weights = self.labels - p, p * (1 - p)
        own = self.folds * num_cells + cells

        def out_of_fold(numbers: Numbers) -> Numbers:
            total = np.bincount(cells, numbers, minlength=num_cells)
            found: Numbers = total[cells] - np.bincount(own, numbers)[own]
            return found

        first, second = out_of_fold(residuals), out_of_fold(weights)
        before = self._loss(self.logits)
        found = []
        for ridge in _RIDGES:
            step = np.clip(first / (second + ridge), -_LARGEST_STEP, _LARGEST_STEP)
            gains = before - self._loss(self.logits + step)
            error = float(gains.std()) / len(gains) ** 0.5
            found.append(_Gain(float(gains.mean()), max(error, 1e-12), step))
        return max(found, key=lambda gain: gain.mean)

    def _cells(self, members: tuple[int, ...]) -> Codes:
        cells: Codes = self.columns[members[0]]
        for member in members[1:]:
            column = self.columns[member]
            together, _ = pd.factorize(cells * (int(column.max()) + 1) + column)
            cells = np.asarray(together, dtype=np.int64)
        return cells

    def _loss(self, logits: Numbers) -> Numbers:
        loss: Numbers = np.logaddexp(0, logits) - self.labels * logits
        return loss

    def _ranked(self) -> list[int]:
        """Return the fields in the order of what they explain by themselves, the best first."""
        mean = self.labels.mean()

        def explained(field: int) -> float:
            column = self.columns[field]
            rows = np.bincount(column)
            clicks = np.bincount(column, self.labels)
            # A rare category explains its rows by chance.
            return float(rows @ ((clicks - rows * mean) / (rows + 10.0)) ** 2)

        return sorted(self.columns, key=lambda field: -explained(field))

    def _base(self, ridge: float) -> Numbers:
        """Return the logits of a logistic regression on the single fields, out of fold."""
        mean = self.labels.mean()
        found = np.full(len(self.labels), np.log(mean / (1 - mean)))
        for fold in range(_FOLDS):
            fitted = (self.folds != fold).astype(np.float64)
            logits = np.full(len(found), np.log(mean / (1 - mean)))
            weights = {field: np.zeros(int(c.max()) + 1) for field, c in self.columns.items()}
            for _ in range(_BASE_PASSES):
                for field, column in self.columns.items():
                    p = 1 / (1 + np.exp(-logits))
                    weight = weights[field]
                    first = np.bincount(column, fitted * (self.labels - p)) - ridge * weight
                    second = np.bincount(column, fitted * p * (1 - p)) + ridge
                    step = _DAMPING * first / second
                    weight += step
                    logits += step[column]
            held_out = self.folds == fold
            found[held_out] = logits[held_out]
        return found
