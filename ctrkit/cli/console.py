"""What a command prints: results to standard output, all else to standard error."""

from __future__ import annotations

import re
import sys

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, marks that turn the direction of a text round, and what Python makes of
bytes that are not UTF-8."""


def show(text: str) -> None:
    """Print a result, which may have several lines.

    Raises:
        OSError: if standard output is full, or whoever reads it has gone.
    """
    try:
        print("\n".join(map(printable, text.split("\n"))), flush=True)
    except OSError as error:
        raise OSError(f"cannot write to standard output: {error.strerror or error}") from error


def say(text: str) -> None:
    """Print a message in one line, which is lost where standard error is closed or full."""
    print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    r"""Return a text with its control characters as escapes, so that a name moves no cursor.

    Example:
        >>> print(printable("two\nlines, \x1b[31mred"))
        two\nlines, \x1b[31mred
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
