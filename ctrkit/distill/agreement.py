"""How closely two models agree on the same rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of a student with its teacher on rows scored by both.

    Attributes:
        rmse: root of the mean squared difference of their logits, in log odds.
        correlation: Pearson's, of their logits; 0 where either is constant.
        pairs_alike: of the pairs of rows that the teacher scores differently, the share that the
            student puts in the same order; a tie of the student counts half. 1 is the same ranking.
    """

    rmse: float
    correlation: float
    pairs_alike: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures as plain data."""
        return asdict(self)


def agreement(student: NDArray[np.float32], teacher: NDArray[np.float32]) -> Agreement:
    """Compare the logits ``(N,)`` of a student with those of its teacher, exactly, on all pairs.

    Raises:
        ValueError: if they are not as many, or the teacher gives all rows the same logit.

    Example:
        >>> import numpy as np
        >>> agreement(np.array([0.0, 3.0, 2.0]), np.array([0.0, 1.0, 2.0])).pairs_alike
        0.6666666666666667
    """
    if student.shape != teacher.shape or student.ndim != 1:
        raise ValueError(
            f"logits of student and teacher must have one shape (N,), got {student.shape} and "
            f"{teacher.shape}"
        )
    ours, theirs = student.astype(np.float64), teacher.astype(np.float64)
    told_apart = _pairs_told_apart(theirs)
    if told_apart == 0:
        raise ValueError(f"the teacher must rank rows, got one logit for {len(theirs)} rows")
    by_student = _pairs_told_apart(ours)
    # Kendall's tau-b is (alike - unlike) / sqrt(told apart by one * told apart by the other);
    # pandas takes it from SciPy, which comes with scikit-learn.
    alike = 0.5
    if by_student:
        tau = pd.Series(ours).corr(pd.Series(theirs), method="kendall")
        alike = 0.5 + 0.5 * tau * np.sqrt(by_student / told_apart)
    return Agreement(
        rmse=rmse(student, teacher),
        correlation=float(np.corrcoef(ours, theirs)[0, 1]) if by_student else 0.0,
        pairs_alike=float(alike),
    )


def rmse(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the root of the mean squared difference of logits ``(N,)``, in log odds."""
    difference = np.subtract(ours, theirs, dtype=np.float64)
    return float(np.sqrt(np.mean(difference**2)))


def _pairs_told_apart(scores: NDArray[np.float64]) -> int:
    ties = np.unique(scores, return_counts=True)[1]
    rows = len(scores)
    return rows * (rows - 1) // 2 - int((ties * (ties - 1) // 2).sum())
