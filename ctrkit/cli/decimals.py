"""Numbers between 0 and 1 as text, by whole arrays."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

NUM_DECIMALS = 24
SMALLEST = 2.0**-25
"""From here on, half the distance between two float64 numbers is more than the last decimal."""

_LOWER_WORD = np.uint64(0xFFFF_FFFF)


def decimal_lines(values: npt.NDArray[np.float64]) -> bytes:
    """Return one number a line, each with decimals enough to read back as the very same number.

    A number is the 96 bits after its point, in three words of 32. Times 10,000, what passes the
    point are the next four decimals. That takes a tenth of the time of ``repr``, which looks for
    the fewest digits, number by number, and is left for numbers outside ``[SMALLEST, 1)``. What is
    no number is ``nan``.

    Example:
        >>> decimal_lines(np.array([0.5, 0.1]))
        b'0.500000000000000000000000\\n0.100000000000000005551115\\n'
    """
    missing = np.isnan(values)
    if missing.any():
        texts = np.full(len(values), b"nan\n", dtype=object)
        texts[~missing] = decimal_lines(values[~missing]).splitlines(keepends=True)
        return b"".join(texts)
    if not ((values >= SMALLEST) & (values < 1)).all():
        return "".join(f"{value!r}\n" for value in values.tolist()).encode()
    words = []
    rest = values
    for _ in range(3):
        rest, word = np.modf(rest * 2.0**32)  # both exact
        words.append(word.astype(np.uint64))
    lines = np.empty((len(values), len("0.") + NUM_DECIMALS + len("\n")), dtype=np.uint8)
    lines[:, :2] = ord("0"), ord(".")
    lines[:, -1] = ord("\n")
    for start in range(2, 2 + NUM_DECIMALS, 4):
        carry = np.zeros(len(values), dtype=np.uint64)
        for index in reversed(range(3)):
            product = words[index] * np.uint64(10_000) + carry
            words[index] = product & _LOWER_WORD
            carry = product >> np.uint64(32)
        lines[:, start : start + 4] = _four_digits()[carry]
    return lines.tobytes()


@functools.cache
def _four_digits() -> npt.NDArray[np.uint8]:
    """Return the digits of 0000 to 9999, ``(10000, 4)``."""
    texts = np.array([f"{number:04d}" for number in range(10_000)], dtype="S4")
    return texts.view(np.uint8).reshape(-1, 4)
