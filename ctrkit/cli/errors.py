"""Errors in one line."""

from __future__ import annotations

import re

from ctrkit.cli.limits import PROGRAM_BYTES
from ctrkit.machine import address_limit
from ctrkit.options import shortened

_LONGEST = 2000
"""Characters of a message: some libraries show all that they were given."""

MISTAKES = (ValueError, TypeError, OSError, FloatingPointError, ImportError)
"""What a user's input can cause, whose message says it; any other error is a fault of ctrkit."""

_NO_MEMORY = re.compile(
    r"(can't|cannot|unable to) allocate|not enough memory|out of memory|start new thread", re.I
)
"""How PyTorch and Python say, in errors of other kinds, that there is no memory left."""


def one_line(error: BaseException) -> str:
    """Return in one line what went wrong and, if known, what to do."""
    text = shortened(str(error), _LONGEST) or type(error).__name__
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))
    ):
        return f"there is not enough memory{_limit()}; {_SMALLER}"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MISTAKES):
        return text
    return (
        f"{type(error).__name__}: {text}. This is a bug in ctrkit: please report it with what "
        "--traceback shows"
    )


_SMALLER = (
    "end other programs, take fewer threads (--num-workers, OMP_NUM_THREADS) or smaller options, "
    "see docs/memory.md"
)


def _limit() -> str:
    """Return the limit that the shell has set for this process, if there is one."""
    limit = address_limit()
    if limit is None:
        return ""
    text = f", for this process may have {limit / 1e9:,.1f} GB (ulimit -v)"
    return (
        f"{text} and needs {PROGRAM_BYTES / 1e9:.2f} for itself" if limit < PROGRAM_BYTES else text
    )
