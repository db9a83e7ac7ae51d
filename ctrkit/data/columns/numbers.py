"""The one rule for numbers in cells, and whole columns of them.

A number is ASCII, and spelt in full: an optional sign, digits with at most one point before,
between or after them, and an optional exponent::

    [+-] (digits [. [digits]] | . digits) [(e|E) [+-] digits]

A whole number is an optional sign and digits. So there are no spaces, underscores, commas or
digits of other scripts, and neither ``nan`` nor ``inf``. Any number that is finite as a float64
is accepted, however it is spelt.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from ctrkit.data.columns.tokens import MISSING_KEY, Keys, Tokens

NUMBER = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
WHOLE = re.compile(rb"[+-]?[0-9]+")

NO_NUMBER = int(np.iinfo(np.int64).min)
"""Stands for an empty cell among whole numbers."""

LARGEST_WHOLE = int(np.iinfo(np.int64).max)
"""Whole numbers of more than this size, either way, count as this one."""

_CHARACTERS = b"0123456789.+-eE"

Whole = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
IsBad = npt.NDArray[np.bool_]


def is_whole(text: str) -> bool:
    """Return whether a text spells a whole number, of any size.

    Example:
        >>> [is_whole(text) for text in ("007", "-9" * 1, "1.0", " 7", "1_000")]
        [True, True, False, False, False]
    """
    return WHOLE.fullmatch(text.encode()) is not None


def is_number(text: str) -> bool:
    """Return whether a text spells a finite number.

    Example:
        >>> [is_number(text) for text in ("-2e3", ".5", "1e999", "nan", "1,5")]
        [True, True, False, False, False]
    """
    return bool(np.isfinite(_number(text.encode())))


def numbers_of(tokens: Tokens) -> tuple[Numbers, IsBad]:
    """Return the numbers that texts spell, NaN if missing, and which texts are wrong.

    The empty text is a missing number, and not wrong.
    """
    texts = tokens.encoded()
    # Python reads texts of these characters exactly if they match NUMBER, whose check takes twice
    # as long.
    is_plain = not b"".join(texts).translate(None, _CHARACTERS)
    numbers = np.array(list(map(_plain_number if is_plain else _number, texts)), dtype=np.float64)
    return numbers, ~np.isfinite(numbers) & (tokens.keys != MISSING_KEY)


def _number(text: bytes) -> float:
    return float(text) if NUMBER.fullmatch(text) else float("nan")


def _plain_number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def whole_numbers_of(tokens: Tokens) -> tuple[Whole, IsBad]:
    """Return the whole numbers that texts spell, and which texts are wrong.

    The empty text is `NO_NUMBER`, and not wrong. Numbers end at `LARGEST_WHOLE`.
    """
    values, bad = _short_whole_numbers(tokens.keys)
    for at, text in zip(tokens.long_at.tolist(), tokens.long_texts(), strict=True):
        bad[at] = WHOLE.fullmatch(text) is None
        values[at] = 0 if bad[at] else _long_whole_number(text)
    return values, bad


def _long_whole_number(text: bytes) -> int:
    digits = text.lstrip(b"+-").lstrip(b"0")
    # Python refuses numbers of thousands of digits.
    size = min(int(digits or b"0"), LARGEST_WHOLE) if len(digits) < 20 else LARGEST_WHOLE
    return -size if text.startswith(b"-") else size


def _short_whole_numbers(keys: Keys) -> tuple[Whole, IsBad]:
    """Do the same for texts of at most eight bytes, by whole arrays.

    There are too many numbers for a loop in Python.
    """
    characters = keys.astype("<u8").view(np.uint8).reshape(-1, 8)
    digits = characters - np.uint8(ord("0"))  # wraps around below "0"
    is_digit = digits < 10
    is_minus = characters[:, 0] == ord("-")
    has_sign = is_minus | (characters[:, 0] == ord("+"))
    values = np.zeros(len(keys), dtype=np.int64)
    for place in range(8):
        shifted = values * 10 + digits[:, place]
        values = np.where(is_digit[:, place], shifted, values)
    values = np.where(is_minus, -values, values)
    num_digits = is_digit.sum(axis=1)
    good = (num_digits > 0) & (num_digits + has_sign == (characters != 0).sum(axis=1))
    missing = keys == MISSING_KEY
    return np.where(missing, NO_NUMBER, values), ~(good | missing)
