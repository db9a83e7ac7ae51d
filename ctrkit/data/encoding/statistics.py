"""Statistics of a numeric field on the training rows, and how they scale a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Counted = tuple[Numbers, npt.NDArray[np.int64]]

LARGEST_DEVIATIONS = 20.0
"""A standardised value is clipped to this size. By Chebyshev's inequality no column has more than
one training row in 400 beyond; one such row far out would outweigh all others in a gradient, and
a product of several fields would not fit float32."""

LARGEST_LOG = math.log1p(float(np.finfo(np.float32).max))
"""A value of log1p is clipped to this size, 88.7: that of the largest number float32 holds."""

_CONSTANT_ULPS = 4
"""Numbers that differ by less than so many units in the last place are rounded from one number."""

_NARROW = 1e-9
"""Where all numbers lie this close together, for their size, their sums would lose the difference,
so that it is summed instead."""


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of a numeric field on the training rows.

    Args:
        mean: of the training rows.
        deviation: their standard deviation; 0.0 for a constant, every number of which is 0.
        cuts: what divides the buckets of a number that has some, ascending.

    Raises:
        ValueError: if the deviation is negative or the cuts do not ascend.
    """

    mean: float
    deviation: float
    cuts: Numbers = field(default_factory=lambda: np.empty(0), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.deviation < 0:
            raise ValueError(f"the deviation must not be negative, got {self.deviation}")
        if not (np.isfinite(self.cuts).all() and (np.diff(self.cuts) > 0).all()):
            raise ValueError("the cuts of buckets must be finite and ascend")

    def to_mapping(self) -> dict[str, Any]:
        """Return the statistics as plain data."""
        cuts = {"cuts": self.cuts.tolist()} if len(self.cuts) else {}
        return {"mean": self.mean, "deviation": self.deviation, **cuts}

    def standardised(self, numbers: Numbers) -> Numbers:
        """Return (v - mean) / deviation of finite numbers, clipped to `LARGEST_DEVIATIONS`."""
        if not self.deviation:
            return np.zeros_like(numbers)
        with np.errstate(over="ignore"):  # infinity is clipped
            values = (numbers - self.mean) / self.deviation
        return np.clip(values, -LARGEST_DEVIATIONS, LARGEST_DEVIATIONS)


def log1p_of(numbers: Numbers) -> Numbers:
    """Return sign(v) log(1 + abs(v)) of finite numbers, clipped to `LARGEST_LOG`."""
    logs: Numbers = np.log1p(np.abs(numbers))
    return np.sign(numbers) * np.minimum(logs, LARGEST_LOG)


def fit_statistics(pieces: Callable[[], Iterator[Counted]]) -> Statistics:
    """Return mean and deviation of numbers.

    Args:
        pieces: returns the numbers, NaN where missing, with how often each occurs in training,
            maybe never; in pieces that fit into memory. It is called repeatedly.

    Example:
        >>> fit_statistics(lambda: iter([(np.array([1.0, 5.0, np.nan]), np.array([1, 1, 7]))]))
        Statistics(mean=3.0, deviation=2.0)
    """
    low, high = _range_of(pieces())
    if low > high:
        return Statistics(0.0, 1.0)  # there is none
    size = max(abs(low), abs(high))
    half_range = high / 2 - low / 2
    if half_range <= _CONSTANT_ULPS / 2 * math.ulp(size):
        return Statistics(low, 0.0)
    # Sums of numbers of at most 1 have no square that is too large or too small; a power of two
    # changes no digit.
    exponent = math.frexp(size)[1]
    least, most = math.ldexp(low, -exponent), math.ldexp(high, -exponent)
    origin = least if half_range < _NARROW * size else 0.0

    def total(power: int, mean: float) -> float:
        sums = []
        for numbers, counts in pieces():
            known = np.isfinite(numbers)
            scaled = np.ldexp(np.clip(numbers[known], low, high), -exponent) - origin
            sums.append(float(((scaled - mean) ** power) @ counts[known]))
        return math.fsum(sums)

    count = total(0, 0.0)
    mean = total(1, 0.0) / count
    deviation = min(math.sqrt(total(2, mean) / count), 1 - 2**-53)
    mean = min(max(mean + origin, least), most)
    return Statistics(math.ldexp(mean, exponent), math.ldexp(deviation, exponent))


def _range_of(pieces: Iterator[Counted]) -> tuple[float, float]:
    """Return the smallest and the largest number that occurs; swapped if there is none."""
    low, high = math.inf, -math.inf
    for numbers, counts in pieces:
        occurring = numbers[(counts > 0) & np.isfinite(numbers)]
        low = min(low, float(occurring.min(initial=math.inf)))
        high = max(high, float(occurring.max(initial=-math.inf)))
    return low, high
