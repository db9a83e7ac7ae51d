"""AUC and grouped AUC, by one sort of score and label packed into integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctrkit.arrays import REAL_KINDS, plain_array
from ctrkit.metrics.checks import Scores, checked_scores, require_both_classes
from ctrkit.rows import Labels

Ranked = list[NDArray[Any]]
"""Score and label of rows as integers, see `ranked_rows`."""


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
    clicks, values = checked_scores(labels, scores)
    num_clicks = int(clicks.sum())
    require_both_classes("AUC", num_clicks, len(clicks))
    return auc_of_ranked(ranked_rows(clicks, values), num_clicks)


def auc_from_counts(clicks: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """Return the AUC of rows that were counted by score.

    Args:
        clicks: number of clicks of each score ``(S,)``, lowest score first.
        others: number of non-clicks of each score ``(S,)``.

    Raises:
        ValueError: if there is only one class.

    Example:
        >>> auc_from_counts(np.array([0, 1, 1]), np.array([1, 1, 0]))
        0.875
    """
    num_clicks, num_others = int(clicks.sum()), int(others.sum())
    require_both_classes("AUC", num_clicks, num_clicks + num_others)
    twice_pairs_won = int((clicks * (2 * np.cumsum(others) - others)).sum())
    return twice_pairs_won / (2 * num_clicks * num_others)


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
    clicks, values = checked_scores(labels, scores)
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
        auc_of_ranked(ranked_rows(clicks[first : first + rows], values[first : first + rows]), ones)
        for first, rows, ones in zip(
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
        # NaN and NaT differ from themselves.
        missing = _nones(keys) or keys[np.asarray(keys != keys, bool)]
        if len(missing):
            raise ValueError(f"groups must not be missing, got {missing[0]} in {len(missing)} rows")
        return np.unique(keys, return_inverse=True)[1]
    except TypeError as error:  # Python objects that cannot be compared
        raise TypeError(f"groups must be all of one kind, none of them missing: {error}") from error


def _nones(keys: NDArray[Any]) -> list[None]:
    return [key for key in keys if key is None] if keys.dtype.kind == "O" else []


def auc_of_ranked(ranked: Ranked, num_clicks: int) -> float:
    """Return the AUC of the rows of `ranked_rows`, which have both classes."""
    num_others = sum(len(packed) for packed in ranked) - num_clicks
    return _twice_pairs_won(ranked) / (2 * num_clicks * num_others)


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


def ranked_rows(clicks: Labels, scores: Scores) -> Ranked:
    """Return score and label of all rows packed into one integer each, and sorted.

    Lower scores are in earlier arrays. Probabilities in float64 are in one, and shifted back by
    the label's bit are themselves again.
    """
    ranked = _packed(clicks, scores)
    for packed in ranked:
        packed.sort()
    return ranked


def _packed(clicks: Labels, scores: Scores) -> Ranked:
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


def _with_label(keys: NDArray[Any], clicks: Labels) -> NDArray[Any]:
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
