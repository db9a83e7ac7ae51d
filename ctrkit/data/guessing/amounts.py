"""Whole numbers: amounts, such as ages and prices, or codes, such as ids and zip codes.

Near values of an amount are about equally frequent, and large ones become rare and lie ever farther
apart. The frequencies of codes know nothing of their order, and codes are given out side by side.
docs/development/preparing.md has the rule, and how it was measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrkit.data.guessing.samples import ColumnSample
from ctrkit.data.guessing.words import amount_by_name
from ctrkit.data.schemas import NUM_BUCKETS, NUMERIC, Field

FEW_VALUES = 10
"""So few values lose nothing as categories."""

FAR = 10.0
SMOOTH = 0.25
STEEP = 3.0
"""The upper half of a uniform range has 1.96, of a normal distribution 3.5."""

SMOOTH_TAIL = 0.3
MANY_VALUES = 50
CROWDED = 0.5
SPARSE = 0.1
DENSE = 0.9
FALLING = -0.3
ENUMERATED = 200
"""A falling amount of so many values has gaps at its upper end."""

SCATTERED = 1.2
"""Of pure chance it is 0.45."""

LEAST_ROWS_OF_SKEWNESS = 100

_LARGEST = 1e18
"""Beyond it differences might overflow, and whole numbers are codes in any case."""

_BINS = 16
_LEAST_OF_THREE = 9
_LEAST_THREES = 100

_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WholeNumbers:
    """Statistics of a column of whole numbers.

    Args:
        distinct: number of distinct values.
        far: distance from 0 to the nearest value, over the range of the values.
        fill: share of the whole numbers in the range that occur.
        roughness: mean squared step of the log frequency from a value to the next, over what it is
            in random order: 1 for codes, near 0 for amounts. Of single values or of 16 equal parts
            of the range, whichever is less.
        steepness: how far the top 1 % of the distinct values lie from their median, over how far
            the upper quartile does.
        tail: roughness of the number of distinct values in 16 equal parts of the range.
        crowded: share of the distinct values in the upper quarter of the range.
        scatter: median squared distance of the log frequency from the line between its neighbours',
            over what it is by chance; 0 where too few values are frequent enough.
        falling: correlation of frequency and value.
    """

    distinct: int
    far: float
    fill: float
    roughness: float
    steepness: float
    tail: float
    crowded: float
    scatter: float
    falling: float

    @classmethod
    def of(cls, values: Values, counts: Counts) -> WholeNumbers:
        """Return the statistics of more than two distinct values, ascending, and their counts."""
        values = np.clip(values, -_LARGEST, _LARGEST)
        low, high = values[0], values[-1]
        span = max(float(high - low), 1.0)
        middle, upper, top = np.quantile(values, [0.5, 0.75, 0.99])
        most = values[np.searchsorted(np.cumsum(counts), 0.995 * counts.sum())]
        parts = _in_parts(values, counts, most)
        kinds = _in_parts(values, np.ones_like(counts), top)
        return cls(
            distinct=len(values),
            far=float(max(low, -high, 0.0)) / span,
            fill=len(values) / (span + 1),
            roughness=min(_roughness(counts), _roughness(parts + 1)),
            steepness=float((top - middle) / max(upper - middle, 1.0)),
            tail=_roughness(kinds + 1),
            crowded=float(kinds[3 * _BINS // 4 :].sum() / kinds.sum()),
            scatter=_scatter(counts),
            falling=_correlation(counts),
        )


def _in_parts(values: Values, weights: Counts, most: float) -> Values:
    """Return the weight of the values in equal parts of the range, up to some value."""
    width = max(float(most - values[0]), 1.0)
    places = np.minimum((values - values[0]) / width * _BINS, _BINS - 1).astype(np.int64)
    is_inside = values <= most
    parts = np.bincount(places[is_inside], weights=weights[is_inside], minlength=_BINS)
    return parts.astype(np.float64)


def _roughness(frequencies: npt.NDArray[np.generic]) -> float:
    logs = np.log(frequencies.astype(np.float64))
    variance = float(logs.var())
    return float((np.diff(logs) ** 2).mean()) / (2 * variance) if variance > 0 else 1.0


def _scatter(counts: Counts) -> float:
    before, here, after = counts[:-2], counts[1:-1], counts[2:]
    is_frequent = before + here + after >= _LEAST_OF_THREE
    if np.count_nonzero(is_frequent) < _LEAST_THREES:
        return 0.0
    by_chance = 1 / before + 4 / here + 1 / after
    return float(np.median((np.diff(np.log(counts), 2) ** 2 / by_chance)[is_frequent]))


def _correlation(counts: Counts) -> float:
    ranks = np.unique(counts, return_inverse=True)[1]
    if ranks.max() == 0:
        return 0.0
    return float(np.corrcoef(np.arange(len(counts)), ranks)[0, 1])


def judge_whole_numbers(sample: ColumnSample) -> tuple[bool, str]:
    """Return whether a column of whole numbers holds amounts, and why it does or not."""
    values, counts = sample.values
    if len(values) <= FEW_VALUES:
        return False, f"codes: {len(values)} values"
    if any(map(_LEADING_ZERO.match, sample.texts)):
        return False, "codes: leading zeros"
    by_name = amount_by_name(sample.name)
    if by_name is False:
        return False, "codes, by the name"
    found = WholeNumbers.of(values, counts)
    reason = why_codes(found)
    if reason is None:
        return True, why_amounts(found)
    return (True, "amounts, by the name") if by_name else (False, f"codes: {reason}")


def why_codes(found: WholeNumbers) -> str | None:
    """Return why values look like codes; None if they look like amounts."""
    if found.far > FAR:
        return "far from 0, close together"
    if found.crowded > CROWDED:
        return "crowded at the upper end"
    if found.distinct >= ENUMERATED and found.fill >= DENSE and found.falling < FALLING:
        return "numbered without gaps, by frequency"
    if found.scatter > SCATTERED and found.fill > SPARSE:
        return "near values differ in frequency"
    if found.roughness < SMOOTH or is_steep(found):
        return None
    return "near values differ in frequency"


def is_steep(found: WholeNumbers) -> bool:
    """Return whether large values lie ever farther apart."""
    is_thinning = found.steepness > STEEP and found.tail < SMOOTH_TAIL
    return is_thinning and found.distinct >= MANY_VALUES


def why_amounts(found: WholeNumbers) -> str:
    """Return what tells that values are amounts."""
    if is_steep(found):
        return "amounts: large values lie far apart"
    return "amounts: near values are about equally frequent"


def amount_field(name: str, *, is_skewed: bool) -> Field:
    """Return the field that a column of amounts becomes: a bucket, and a value beside it."""
    transform = "log1p" if is_skewed else None
    return Field(name, NUMERIC, transform=transform, buckets=NUM_BUCKETS)


def is_skewed(values: Values, counts: Counts) -> bool:
    """Return whether a logarithm makes amounts less skewed, as far as the rows are enough to tell.

    Args:
        values: distinct numbers.
        counts: how many rows hold each.
    """
    if counts.sum() < LEAST_ROWS_OF_SKEWNESS:
        return False
    skewness = _skewness(values, counts)
    with_log = _skewness(np.sign(values) * np.log1p(np.abs(values)), counts)
    return skewness > 1 and abs(with_log) < skewness


def _skewness(values: Values, counts: Counts) -> float:
    scale = np.abs(values).max()
    if not scale:
        return 0.0
    scaled = values / scale  # or a cube might overflow
    centred = scaled - np.average(scaled, weights=counts)
    variance = float(np.average(centred**2, weights=counts))
    return float(np.average(centred**3, weights=counts)) / variance**1.5 if variance > 0 else 0.0
