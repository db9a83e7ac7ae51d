"""History: how often a category was seen in the training rows, and how often it was clicked.

Two values of a field, beside its id (target statistics)::

    rate(n, c)  = (c + m p) / (n + m)                      n rows, c clicks of the category
    values      = logit(rate(n, c)) - logit(p), log(1 + n)
    values      = (values - mean) / deviation              of the training rows

p is the click rate of all training rows. m, the smoothing, is the one of `SMOOTHINGS` under which
the clicks of each training row are most likely, given those of the category's other rows.

A training row must not see its own click: its n and c leave out the rows of its fold, or are those
of earlier rows only (see `ctrkit.data.preparing`).

Source: Micci-Barreca, "A Preprocessing Scheme for High-Cardinality Categorical Attributes in
Classification and Prediction Problems", SIGKDD Explorations 2001, section 3; values in the order of
time: Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018
(arXiv 1706.09516), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns import MISSING_KEY, Keys, mix
from ctrkit.data.encoding.vocabulary import Counted, count_keys

HISTORY_VALUES = 2
"""Values that history gives a field."""

MAX_HISTORY_KEYS = 1 << 20
"""Categories of a field that history knows, at most; rarer ones count as unseen."""

SMOOTHINGS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)

LARGEST_HISTORY = 10.0
"""A value of history is clipped to this size."""

_LEAST_DEVIATION = 1e-3
"""Values that vary less are constant: what would be magnified is chance."""

_EMPTY = mix(np.array([MISSING_KEY]))
"""Key under which missing cells are counted, as one more category."""

Counts = npt.NDArray[np.int64]


class ClickCounts:
    """Rows and clicks of categories in the training rows.

    Args:
        keys: ``(T,)`` of the categories.
        counts: ``(T, 2)`` rows and clicks of each.

    Raises:
        ValueError: if the sizes differ or a key repeats.
    """

    def __init__(self, keys: Keys, counts: Counts) -> None:
        if counts.shape != (len(keys), 2):
            raise ValueError(f"counts must have shape ({len(keys)}, 2), got {counts.shape}")
        self.keys = keys
        # The last, -1, is what a category that is not there has.
        self._padded = np.concatenate([counts, np.zeros((1, 2), dtype=np.int64)])
        self.counts = self._padded[:-1]
        self.rows = self.counts[:, 0]
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise ValueError("keys must differ, got one twice")

    def __len__(self) -> int:
        return len(self.keys)

    def positions(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Return the position of every key, -1 for those that are not there."""
        found = np.full(len(keys), -1, dtype=np.int64)
        if len(self):
            at = np.searchsorted(self._sorted, keys)
            at[at == len(self)] = 0
            known = self._sorted[at] == keys
            found[known] = self._order[at[known]]
        return found

    def counts_of(self, keys: Keys) -> Counts:
        """Return ``(T, 2)`` rows and clicks of every key, 0 for those that are not there."""
        return self._padded[self.positions(keys)]

    def array(self) -> npt.NDArray[np.uint64]:
        """Return ``(T, 3)`` keys, rows and clicks, as a file holds them."""
        return np.column_stack([self.keys, self.counts.astype(np.uint64)]).astype("<u8")


def history_keys(keys: Keys) -> Keys:
    """Return the keys by which history knows categories: a missing cell has one too."""
    return np.where(keys == MISSING_KEY, _EMPTY, keys)


def fit_click_counts(
    pieces: Callable[[], Iterator[Counted]], num_keys: int, *, most: int
) -> tuple[ClickCounts, int]:
    """Add up rows and clicks of categories, and return from how many rows on they are kept.

    That is 1, unless there are more than `most` categories.

    Args:
        pieces: returns keys ``(T,)`` and counts ``(T, 2)``, piece by piece; is called repeatedly.
        num_keys: total length of the pieces.
        most: categories that are kept.
    """
    min_count = 1
    while True:
        keys, counts = count_keys(pieces, num_keys, min_count=min_count)
        if len(keys) <= most:
            break
        min_count *= 2
    order = np.lexsort((keys, -counts[:, 0])) if len(keys) else np.empty(0, dtype=np.int64)
    return ClickCounts(keys[order], counts.reshape(-1, 2)[order]), min_count


@dataclass(frozen=True)
class ClickHistory:
    """What the training rows tell of the categories of a field.

    Args:
        click_counts: rows and clicks of the categories.
        base_rate: click rate of all training rows.
        smoothing: rows of the base rate that are added to those of a category.
        means, deviations: of the values on the training rows; a constant has deviation 1.

    Raises:
        ValueError: if a number is not finite, or out of its range.
    """

    click_counts: ClickCounts
    base_rate: float
    smoothing: float
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (0 < self.base_rate < 1 and 0 < self.smoothing < math.inf):
            raise ValueError(
                "base_rate must lie between 0 and 1 and smoothing be positive, got "
                f"{self.base_rate} and {self.smoothing}"
            )
        for numbers in (self.means, self.deviations):
            if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
                raise ValueError(f"means and deviations must be two numbers, got {numbers}")
        if min(self.deviations) <= 0:
            raise ValueError(f"deviations must be positive, got {self.deviations}")

    def to_mapping(self) -> dict[str, Any]:
        """Return everything but the click counts as plain data."""
        return {
            "base_rate": self.base_rate,
            "smoothing": self.smoothing,
            "means": list(self.means),
            "deviations": list(self.deviations),
        }

    @classmethod
    def fit(cls, click_counts: ClickCounts, num_rows: int, num_clicks: int) -> ClickHistory:
        """Return the history of a field.

        Args:
            click_counts: rows and clicks of its categories.
            num_rows: training rows, also of categories that the click counts leave out.
            num_clicks: their clicks.
        """
        base_rate = (num_clicks + 0.5) / (num_rows + 1.0)
        smoothing = _fitted_smoothing(click_counts.counts, base_rate)
        raw = cls(click_counts, base_rate, smoothing, (0.0, 0.0), (1.0, 1.0))
        counts = np.concatenate([click_counts.counts, np.zeros((1, 2), dtype=np.int64)])
        weights = counts[:, 0].astype(np.float64)
        weights[-1] = max(num_rows - weights.sum(), 0.0)
        values = raw._raw(counts)
        total = max(weights.sum(), 1.0)
        means = weights @ values / total
        deviations = np.sqrt(weights @ (values - means) ** 2 / total)
        deviations[deviations < _LEAST_DEVIATION] = 1.0
        return cls(
            click_counts, base_rate, smoothing, tuple(means.tolist()), tuple(deviations.tolist())
        )

    def values(
        self, counts: Counts, seen: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return ``(N, 2)`` values.

        Args:
            counts: ``(N, 2)`` rows and clicks.
            seen: ``(N,)`` rows that the second value is made of, where they are others.
        """
        raw = self._raw(counts)
        if seen is not None:
            raw[:, 1] = np.log1p(seen)
        scaled = (raw - self.means) / self.deviations
        return np.clip(scaled, -LARGEST_HISTORY, LARGEST_HISTORY).astype(np.float32)

    def _raw(self, counts: Counts) -> npt.NDArray[np.float64]:
        rows, clicks = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
        p, m = self.base_rate, self.smoothing
        # The logit of the rate is the log of its odds.
        odds = np.log(clicks + m * p) - np.log(rows - clicks + m * (1 - p))
        return np.stack([odds - np.log(p / (1 - p)), np.log1p(rows)], axis=1)


def _fitted_smoothing(counts: Counts, base_rate: float) -> float:
    """Return the smoothing under which rows are most likely, given the others of their category."""
    rows, clicks = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    others = np.maximum(rows - 1, 0)

    def likelihood(m: float) -> float:
        # Of a clicked row, the others have c - 1 clicks; of one that is not, c.
        clicked = np.log((np.maximum(clicks - 1, 0) + m * base_rate) / (others + m))
        missed = np.log((np.maximum(rows - clicks - 1, 0) + m * (1 - base_rate)) / (others + m))
        return float(clicks @ clicked + (rows - clicks) @ missed)

    return max(SMOOTHINGS, key=likelihood)
