"""Columns of times: ISO 8601, other dates, digits such as 2014102109, seconds since 1970."""

from __future__ import annotations

import re

import numpy as np

from ctrkit.data.columns import seconds_of
from ctrkit.data.guessing.samples import ColumnSample
from ctrkit.data.guessing.words import is_named_as_time

FIRST, LAST = 631_152_000, 2_208_988_800
"""Seconds since 1970 at the beginning of 1990 and of 2040."""

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d.*)?", re.ASCII)
_DATE = re.compile(
    r"(?P<first>\d{1,4})(?P<mark>[/.-])\d{1,2}(?P=mark)(?P<last>\d{1,4})"
    r"(?: \d{1,2}:\d\d(?P<seconds>:\d\d)?)?",
    re.ASCII,
)
_DIGITS = re.compile(r"\d{6,14}", re.ASCII)

_PATTERNS_OF_DIGITS = {
    6: ("%y%m%d",),
    8: ("%Y%m%d", "%y%m%d%H"),
    10: ("%Y%m%d%H", "%y%m%d%H%M"),
    12: ("%Y%m%d%H%M", "%y%m%d%H%M%S"),
    14: ("%Y%m%d%H%M%S",),
}
_ENOUGH_VALUES = 20
"""So many numbers of eight digits or more are times by chance in less than one of 10^40 columns."""

_FIRST_LOOK = 100


def time_format_of(sample: ColumnSample) -> str | None:
    """Return the ``time_format`` of a column of times; None for any other column."""
    first = sample.texts[0]
    if _ISO.fullmatch(first):
        return _only_one(sample, ("iso",))
    date = _DATE.fullmatch(first)
    if date:
        return _only_one(sample, _patterns_of_date(date))
    if _DIGITS.fullmatch(first) and np.isfinite(sample.numbers).all():
        return _format_of_digits(sample)
    return None


def _format_of_digits(sample: ColumnSample) -> str | None:
    size = len(sample.texts[0])
    is_clock = _looks_like_a_clock(sample)
    if is_clock or (size >= 8 and len(sample.texts) >= _ENOUGH_VALUES):
        for pattern in _PATTERNS_OF_DIGITS.get(size, ()):
            if {len(text) for text in sample.texts} == {size} and _are_times(sample, pattern):
                return pattern
    units = ("epoch", "epoch_ms") if is_clock else ()
    return next((unit for unit in units if _are_times(sample, unit)), None)


def _patterns_of_date(date: re.Match[str]) -> tuple[str, ...]:
    mark = date["mark"]
    if len(date["first"]) == 4:
        orders = ["%Y{0}%m{0}%d"]
    else:
        year = "%Y" if len(date["last"]) == 4 else "%y"
        orders = [f"%d{{0}}%m{{0}}{year}", f"%m{{0}}%d{{0}}{year}"]
    clock = ""
    if ":" in date[0]:
        clock = " %H:%M:%S" if date["seconds"] else " %H:%M"
    return tuple(order.format(mark) + clock for order in orders)


def _only_one(sample: ColumnSample, formats: tuple[str, ...]) -> str | None:
    """Return the only format that all texts have; None where two would do: day or month first?"""
    found = [name for name in formats if _are_times(sample, name)]
    return found[0] if len(found) == 1 else None


def _are_times(sample: ColumnSample, time_format: str) -> bool:
    first = np.arange(min(_FIRST_LOOK, len(sample.tokens)))
    for tokens in (sample.tokens.take(first), sample.tokens):
        seconds, is_bad = seconds_of(tokens, time_format)
        is_far = (seconds < FIRST) | (seconds >= LAST)
        if is_bad.any() or (time_format != "iso" and is_far.any()):
            return False
    return True


def _looks_like_a_clock(sample: ColumnSample) -> bool:
    """Return whether numbers may be times: by the name, or as they never go back."""
    if is_named_as_time(sample.name):
        return True
    steps = np.diff(sample.in_order())
    is_sorted = bool((steps >= 0).all() or (steps <= 0).all())
    # Numbers that grow by the same step count rows.
    return is_sorted and len(sample.texts) > 2 and np.unique(steps).size > 1
