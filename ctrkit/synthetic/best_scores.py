"""Scores of the true probabilities of generated rows: the best that a model can reach."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctrkit.metrics import auc_from_counts
from ctrkit.rows import Labels

NUM_STEPS = 1 << 16
"""Probabilities are multiples of 2^-16, so that 65,536 counters hold everything that the exact AUC
of a log of any size depends on, and a click is one comparison of whole numbers."""

Steps = npt.NDArray[np.uint16]


class BestScores(NamedTuple):
    """Scores of the true probabilities; no model can be expected to do better.

    ``auc`` and ``logloss`` are those of the drawn clicks (``auc`` is NaN where all rows have one
    label). ``expected_logloss`` is the mean entropy, which ``logloss`` would be on average.
    """

    auc: float
    logloss: float
    expected_logloss: float


def best_scores(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> BestScores:
    """Return what the true probabilities of some generated rows score on their clicks.

    Args:
        labels: clicks ``(N,)``.
        probabilities: as `truth` returns or `generate` writes them, ``(N,)``.

    Raises:
        ValueError: if the lengths differ or are zero.
    """
    clicks, chances = np.asarray(labels), np.asarray(probabilities)
    if clicks.shape != chances.shape or clicks.ndim != 1 or not len(clicks):
        raise ValueError(
            "labels and probabilities must be two columns of the same rows, "
            f"got {clicks.shape} and {chances.shape}"
        )
    tally = Tally()
    tally.add(clicks.astype(np.uint8), np.rint(chances * NUM_STEPS).astype(np.uint16))
    return tally.scores()


class Tally:
    """Clicks and rows counted by probability: all that the scores of the truth depend on."""

    def __init__(self) -> None:
        self.clicks = np.zeros(NUM_STEPS, dtype=np.int64)
        self.rows = np.zeros(NUM_STEPS, dtype=np.int64)

    def add(self, labels: Labels, steps: Steps) -> None:
        """Count rows: their clicks, and their probabilities in steps."""
        self.rows += np.bincount(steps, minlength=NUM_STEPS)
        self.clicks += np.bincount(steps[labels == 1], minlength=NUM_STEPS)

    def scores(self) -> BestScores:
        """Return the AUC of the truth, and its loglosses."""
        used = np.flatnonzero(self.rows)
        clicks, rows = self.clicks[used], self.rows[used]
        others = rows - clicks
        chances = used / NUM_STEPS
        has_both = clicks.any() and others.any()
        losses, other_losses = -np.log(chances), -np.log1p(-chances)
        logloss = (clicks * losses + others * other_losses).sum() / rows.sum()
        entropy = (rows * (chances * losses + (1 - chances) * other_losses)).sum() / rows.sum()
        best_auc = auc_from_counts(clicks, others) if has_both else nan
        return BestScores(best_auc, float(logloss), float(entropy))
