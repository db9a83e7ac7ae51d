"""Times in cells: seconds or milliseconds since 1970, ISO 8601, or a ``strptime`` pattern."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from ctrkit.data.columns.numbers import NO_NUMBER, IsBad, Whole, whole_numbers_of
from ctrkit.data.columns.tokens import MISSING_KEY, Tokens
from ctrkit.options import MAX_SHOWN, shortened, shown

MAX_PATTERN = 100
"""Longest ``strptime`` pattern, in characters: the library builds an expression of it."""

FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""Seconds since 1970 at the beginning of year 1 and at the end of year 9999."""

_PER_SECOND = {"epoch": 1, "epoch_ms": 1000}
"""Formats that count from 1970, and what they count a second."""


def seconds_of(tokens: Tokens, time_format: str) -> tuple[Whole, IsBad]:
    """Return seconds since 1970 (UTC), `NO_NUMBER` where missing, and which texts are no times.

    Args:
        tokens: the texts.
        time_format: ``"iso"``, ``"epoch"``, ``"epoch_ms"`` or a pattern.
    """
    if time_format in _PER_SECOND:
        numbers, bad = whole_numbers_of(tokens)
        missing = numbers == NO_NUMBER
        seconds = np.where(missing, NO_NUMBER, numbers // _PER_SECOND[time_format])
        is_outside = (seconds < FIRST_SECOND) | (seconds > LAST_SECOND)
        return seconds, bad | (is_outside & ~missing)
    allowed = _allowed(time_format)
    texts = [text if allowed.fullmatch(text) else None for text in tokens.texts()]
    pattern = "ISO8601" if time_format == "iso" else time_format
    times = pd.to_datetime(
        pd.Series(texts, dtype=object), format=pattern, utc=True, errors="coerce"
    )
    missing = tokens.keys == MISSING_KEY
    bad = times.isna().to_numpy() & ~missing
    seconds = times.to_numpy(dtype="datetime64[s]").astype(np.int64)
    return np.where(missing | bad, NO_NUMBER, seconds), bad


def _allowed(time_format: str) -> re.Pattern[str]:
    """Return a pattern that a text must match before the library parses it.

    The library would accept "now" and "today", surrounding spaces, and digits of other scripts.
    """
    # A pattern may hold characters of its own, such as those for year, month and day.
    others = re.escape("".join(sorted({c for c in time_format if not c.isascii()})))
    first = "[0-9]" if time_format == "iso" else f"[!-~{others}]"
    has_digit = "(?=[^0-9]*[0-9])"
    return re.compile(f"{has_digit}{first}(?:[ -~{others}]*[!-~{others}])?")


def spelling_of(time_format: str) -> str:
    """Return what a cell must be, for messages."""
    if time_format in _PER_SECOND:
        unit = "seconds" if time_format == "epoch" else "milliseconds"
        return f"{unit} since 1970 (in the years 1 to 9999)"
    return "an ISO 8601 time" if time_format == "iso" else f"a time like {time_format}"


def check_pattern(pattern: str) -> None:
    """Raise ``ValueError`` unless times can be read by a ``strptime`` pattern."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(
            f"time_format must have at most {MAX_PATTERN} characters, got {len(pattern):,}"
        )
    try:
        if pattern != pattern.strip() or not pattern.isprintable():
            raise ValueError("it must be printable, and not begin or end with a space")
        written = datetime(2014, 10, 21, 9, tzinfo=UTC).strftime(pattern)
        pd.to_datetime([written], format=pattern, utc=True)
        seconds, _ = seconds_of(Tokens.from_texts([written]), pattern)
        if seconds[0] == NO_NUMBER:
            raise ValueError("times without digits cannot be read")
    except (ValueError, re.error) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"time_format must be a strptime pattern, got {shown(pattern)}: "
            f"{shortened(reason, MAX_SHOWN)}"
        ) from error
