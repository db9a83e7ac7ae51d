"""What a command prints: results to standard output, all else to standard error."""

from __future__ import annotations

import sys

from ctrkit.options import printable


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
    """Print a message in one line; it is lost if standard error is closed or full."""
    print(printable(text), file=sys.stderr, flush=True)
