"""Metrics over all rows: AUC, logloss, normalised entropy, calibration, grouped AUC.

Everything here works on whole arrays, never on means of batches, in float64 and integers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctrkit.arrays import REAL_KINDS, check_labels, plain_array, real_array
from ctrkit.options import check_positive
from ctrkit.training.sorting import sort_keys

Scores = NDArray[np.floating[Any]]

Ranked = list[NDArray[Any]]
"""Score and label of rows as integers, see `_ranked`."""

CALIBRATION_BINS = 20
"""Bins of the expected calibration error, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """How good a set of predictions is, and what that was computed on.

    Attributes:
        auc: chance that a click outscores a non-click, ties counting one half.
        logloss: mean binary cross entropy per row, in nats.
        normalized_entropy: logloss over that of always predicting the click rate.
        calibration_error: expected calibration error, see `expected_calibration_error`.
        predicted_ratio: sum of predictions over number of clicks; 1 is unbiased.
        rows: rows scored.
        clicks: rows with label 1.
    """

    auc: float
    logloss: float
    normalized_entropy: float
    calibration_error: float
    predicted_ratio: float
    rows: int
    clicks: int

    def to_dict(self) -> dict[str, float]:
        """Return the figures as plain data."""
        return asdict(self)

    def _repr_html_(self) -> str:
        figures = self.to_dict().items()
        heads = "".join(f"<th>{name}</th>" for name, _ in figures)
        cells = "".join(
            f"<td>{value:.5f}</td>" if isinstance(value, float) else f"<td>{value:,}</td>"
            for _, value in figures
        )
        return f"<table><tr>{heads}</tr><tr>{cells}</tr></table>"


def compute_metrics(labels: ArrayLike, probabilities: ArrayLike) -> Metrics:
    """Return all metrics of probabilities ``(N,)`` against labels ``(N,)``.

    Raises:
        ValueError: if the shapes differ, a probability is not in [0, 1], a label is not 0 or 1,
            or there is only one class.
    """
    clicks, predicted = _checked(labels, probabilities)
    rows, num_clicks = len(clicks), int(clicks.sum())
    _require_both_classes("AUC", num_clicks, rows)
    loss = _logloss(clicks, predicted)
    ranked = _ranked(clicks, predicted)
    return Metrics(
        auc=_auc(ranked, num_clicks, rows),
        logloss=loss,
        normalized_entropy=loss / _base_entropy(num_clicks, rows),
        calibration_error=_calibration_error(ranked, CALIBRATION_BINS),
        predicted_ratio=float(predicted.sum() / num_clicks),
        rows=rows,
        clicks=num_clicks,
    )


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve, exactly, over all rows.

    ``P(score of a click > score of a non-click) + P(equal) / 2`` over all pairs, counted in
    integers; equal to ``sklearn.metrics.roc_auc_score``.

    Raises:
        ValueError: if there is only one class, a score is not finite or the shapes differ.

    Example:
        >>> auc([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.4])
        0.875
    """
    clicks, values = _checked_scores(labels, scores)
    num_clicks = int(clicks.sum())
    _require_both_classes("AUC", num_clicks, len(clicks))
    return _auc(_ranked(clicks, values), num_clicks, len(clicks))


def logloss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean binary cross entropy per row, in nats.

    Probabilities of exactly 0 and 1 count as the float64 next to them, so the loss stays finite.

    Example:
        >>> round(logloss([1, 0], [0.5, 0.5]), 6)
        0.693147
    """
    return _logloss(*_checked(labels, probabilities))


def normalized_entropy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return logloss divided by the logloss of always predicting the click rate.

    Below 1 is better than the base rate. Source: He et al., "Practical Lessons from Predicting
    Clicks on Ads at Facebook", ADKDD 2014, section 3.

    Raises:
        ValueError: if there is only one class.
    """
    clicks, predicted = _checked(labels, probabilities)
    return _logloss(clicks, predicted) / _base_entropy(int(clicks.sum()), len(clicks))


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, num_bins: int = CALIBRATION_BINS
) -> float:
    """Return ``sum over bins of share of rows * |click rate - mean prediction|``.

    Rows are cut into `num_bins` bins of equally many rows by predicted probability: click
    predictions crowd at the low end, where bins of equal width would hold nearly all rows. Rows of
    equal predictions on both sides of an edge share their clicks evenly.
    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015, with equal-mass bins.
    """
    check_positive(num_bins=num_bins)
    if not isinstance(num_bins, int):
        raise TypeError(f"num_bins must be a whole number, got {num_bins!r}")
    ranked = _ranked(*_checked(labels, probabilities))
    # With more bins than rows, each row is a bin of its own.
    return _calibration_error(ranked, min(num_bins, len(ranked[0])))


def grouped_auc(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike) -> float:
    """Return the mean of the AUC within each group, weighted by the group's rows.

    Groups with one class only have no AUC and are left out, as is usual (Zhou et al., "Deep
    Interest Network for Click-Through Rate Prediction", KDD 2018, equation 7).

    Raises:
        TypeError: if groups are neither numbers, texts nor times, or of several kinds.
        ValueError: if no group has both classes, a group is missing, or the shapes differ.

    Example:
        >>> grouped_auc([1, 0, 1, 0], [0.9, 0.1, 0.2, 0.8], ["a", "a", "b", "b"])
        0.5
    """
    clicks, values = _checked_scores(labels, scores)
    group = _group_numbers(groups, clicks.shape)
    order = np.argsort(group, kind="stable")
    clicks, values, group = clicks[order], values[order], group[order]
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    num_rows = np.diff(np.r_[starts, len(group)])
    num_clicks = np.add.reduceat(clicks.astype(np.int64), starts)
    has_both = (num_clicks > 0) & (num_clicks < num_rows)
    if not has_both.any():
        raise ValueError(f"grouped AUC needs a group with both classes, got none of {len(starts)}")
    parts = [
        _twice_pairs_won(_ranked(clicks[start : start + rows], values[start : start + rows]))
        / (2 * positives * (rows - positives))
        for start, rows, positives in zip(
            starts[has_both], num_rows[has_both], num_clicks[has_both], strict=True
        )
    ]
    return float(np.average(parts, weights=num_rows[has_both]))


def _group_numbers(groups: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return a number for each row ``(N,)``, equal where the groups are."""
    keys = plain_array("groups", groups)
    if keys.shape != shape:
        raise ValueError(f"groups must have shape {shape}, got {keys.shape}")
    if keys.dtype.kind not in REAL_KINDS + "USMmO":
        raise TypeError(f"groups must be numbers, texts or times, got {keys.dtype}")
    try:
        # NaN, and times that are none, differ from themselves.
        missing = _nones(keys) or keys[np.asarray(keys != keys, bool)]
        if len(missing):
            raise ValueError(f"groups must not be missing, got {missing[0]} in {len(missing)} rows")
        return np.unique(keys, return_inverse=True)[1]
    except TypeError as error:  # Python objects that cannot be compared
        raise TypeError(f"groups must be all of one kind, none of them missing: {error}") from error


def _nones(keys: NDArray[Any]) -> list[None]:
    return [key for key in keys if key is None] if keys.dtype.kind == "O" else []


def _auc(ranked: Ranked, num_clicks: int, rows: int) -> float:
    return _twice_pairs_won(ranked) / (2 * num_clicks * (rows - num_clicks))


def _logloss(clicks: NDArray[np.uint8], predicted: NDArray[np.float64]) -> float:
    tiny = np.finfo(np.float64).eps
    inside = np.clip(predicted, tiny, 1 - tiny)
    return float(-np.where(clicks == 1, np.log(inside), np.log1p(-inside)).mean())


def _base_entropy(num_clicks: int, rows: int) -> float:
    """Return the logloss of always predicting the click rate."""
    _require_both_classes("normalized entropy", num_clicks, rows)
    rate = num_clicks / rows
    return float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))


def _calibration_error(ranked: Ranked, num_bins: int) -> float:
    """Return the error of probabilities in float64, which lie in one array."""
    (packed,) = ranked
    rows = len(packed)
    starts = np.unique(np.linspace(0, rows, num_bins + 1).astype(np.int64)[:-1])
    clicks_before = np.append(0, np.cumsum(packed & 1))
    # A bin may begin amid rows of equal predictions: it then has its share of their clicks.
    first = np.searchsorted(packed, packed[starts] & ~1)
    end = np.searchsorted(packed, packed[starts] | 1, side="right")
    tied_clicks = clicks_before[end] - clicks_before[first]
    before = clicks_before[first] + tied_clicks * (starts - first) / (end - first)
    clicks = np.diff(np.append(before, clicks_before[-1]))
    predicted = np.add.reduceat((packed >> 1).view(np.float64), starts)
    return float(np.abs(clicks - predicted).sum() / rows)


def _twice_pairs_won(ranked: Ranked) -> int:
    """Return twice the number of (click, non-click) pairs that the click wins, a tie being half.

    Up to 2^62 pairs fit; that is three billion rows.
    """
    twice_won = positives_below = rows_below = 0
    for packed in ranked:
        # The label is the lowest bit, so that among equal scores the non-clicks come first. A click
        # then has below it, or tied with it, all rows before it but the clicks.
        places = np.flatnonzero(packed & 1)
        before = int(places.sum()) + rows_below * len(places)
        # 0, 1, 2 ... of these clicks stand before each of them.
        clicks_before = positives_below * len(places) + len(places) * (len(places) - 1) // 2
        twice_won += 2 * (before - clicks_before) - _tied_pairs(packed)
        positives_below += len(places)
        rows_below += len(packed)
    return twice_won


def _ranked(clicks: NDArray[np.uint8], scores: Scores) -> Ranked:
    """Return score and label of all rows packed into one integer each, and sorted.

    Lower scores are in earlier arrays. Probabilities in float64 are in one, and shifted back by
    the label's bit are themselves again.
    """
    ranked = _packed(clicks, scores)
    for packed in ranked:
        sort_keys(packed)
    return ranked


def _packed(clicks: NDArray[np.uint8], scores: Scores) -> Ranked:
    """Return score and label packed into one integer, for all rows, lower scores in earlier arrays.

    Sorting integers is several times faster than an argsort and the gather after it, and those of
    32 bits take half the time of 64. The bits of floats that are not negative sort like the floats
    and leave the sign's bit to the label; those of negative ones sort the other way round.
    """
    if scores.dtype == np.float32:
        # -0 + 0 is 0: they are equal scores. Shifting drops the sign.
        packed = _with_label((scores + np.float32(0)).view(np.uint32), clicks)
        if scores.min() >= 0:
            return [packed]
        is_negative = scores < 0
        all_but_label = np.uint32(0xFFFFFFFE)
        return [packed[is_negative] ^ all_but_label, packed[~is_negative]]
    if scores.dtype == np.float64 and scores.min() >= 0 and scores.max() < 2:
        # Probabilities in float64: the two top bits are free.
        return [_with_label((scores + 0.0).view(np.int64), clicks)]
    _, rank = np.unique(scores, return_inverse=True)
    return [_with_label(rank, clicks)]


def _with_label(keys: NDArray[Any], clicks: NDArray[np.uint8]) -> NDArray[Any]:
    """Shift `keys`, in place, and put the labels below them."""
    keys <<= 1
    keys |= clicks
    return keys


def _tied_pairs(packed: NDArray[Any]) -> int:
    """Return the number of (click, non-click) pairs of equal score, `packed` being sorted."""
    # Neighbours that differ in the label alone are a score's last non-click and its first click.
    last_negatives = packed[np.flatnonzero((packed[1:] ^ packed[:-1]) == 1)]
    first = np.searchsorted(packed, last_negatives)
    middle = np.searchsorted(packed, last_negatives, side="right")
    end = np.searchsorted(packed, last_negatives | 1, side="right")
    return int(((middle - first) * (end - middle)).sum())


def _require_both_classes(what: str, num_clicks: int, rows: int) -> None:
    if not 0 < num_clicks < rows:
        raise ValueError(f"{what} needs both classes, got {num_clicks} clicks in {rows} rows")


def _checked_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.uint8], Scores]:
    clicks, values = real_array("labels", labels), real_array("scores", scores)
    if clicks.ndim != 1 or clicks.shape != values.shape:
        raise ValueError(f"labels and scores must be (N,), got {clicks.shape} and {values.shape}")
    check_labels("labels", clicks)
    # A NaN is the smallest and the largest number of its array.
    if len(values) and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise ValueError(f"scores must be finite, got {values[~np.isfinite(values)][0]!r}")
    return clicks.astype(np.uint8, copy=False), values


def _checked(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    clicks, values = _checked_scores(labels, probabilities)
    predicted = values.astype(np.float64, copy=False)
    if len(predicted) == 0:
        raise ValueError("metrics need at least one row, got none")
    if predicted.min() < 0 or predicted.max() > 1:
        raise ValueError(
            f"probabilities must lie in [0, 1], got {predicted.min()!r} to {predicted.max()!r}"
        )
    return clicks, predicted
