"""Output files named by the user: checked early, whole at the end.

A file appears when it is whole. A pipe, a device and ``-`` (standard output) get the bytes at once.
A link is followed.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ctrkit.cli.paths import STANDARD, enclosing
from ctrkit.files import atomic_write, check_writable

_OF_THIS_PROCESS = ("/dev/fd/", "/dev/stdout", "/dev/stderr", "/proc/")
"""Begin of names for what the process has open already: it must not be replaced."""

_LOST = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF)
"""Errors of writing, which do not say of what."""


def check_output(option: str, out: Path, inputs: Sequence[Path]) -> None:
    """Check, before long work, that an output can be written and destroys nothing.

    Args:
        option: the option that names it, for messages.
        out: where to write.
        inputs: files and folders that the command reads.

    Raises:
        ValueError: if it is one of the inputs, lies in a run or in prepared data, or is neither
            file, pipe nor character device.
        OSError: if it cannot be written, see `check_writable`.
    """
    if out == STANDARD:
        return
    kind = _mode(out)
    if not stat.S_ISCHR(kind) and any(_same(out, path) for path in inputs):
        raise ValueError(f"{option} {out} is one of the inputs; name another file")
    target = _target(option, out)
    if streams(out):
        if not (stat.S_ISCHR(kind) or stat.S_ISFIFO(kind) or stat.S_ISREG(kind)):
            raise ValueError(f"{option} {out} must be a file, a pipe or a terminal; name another")
        return
    check_writable(target)
    inside = enclosing(target)
    if inside is not None:
        raise ValueError(
            f"{option} {out} lies in {inside}, which is a run or prepared data; "
            "name a file elsewhere"
        )


def streams(out: Path) -> bool:
    """Return whether an output gets its bytes at once, with no file beside it."""
    if out == STANDARD or os.path.abspath(out).startswith(_OF_THIS_PROCESS):
        return True
    kind = _mode(out)
    return bool(kind) and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


@contextmanager
def opened_output(out: Path) -> Iterator[BinaryIO]:
    """Open a checked output; a file gets its name at the end of the block.

    Raises:
        OSError: if it cannot be written, naming it.
    """
    if not streams(out):
        with atomic_write(_target("the output", out)) as temporary, temporary.open("wb") as file:
            yield file
        return
    try:
        if out == STANDARD:
            yield sys.stdout.buffer
            sys.stdout.flush()
        else:
            # Never truncated: the shell has done that, or wants the content kept.
            with os.fdopen(os.open(out, os.O_WRONLY | os.O_APPEND), "wb") as stream:
                yield stream
    except OSError as error:
        if error.filename is not None or error.errno not in _LOST:
            raise
        raise OSError(error.errno, os.strerror(error.errno), called(out)) from error


def called(out: Path) -> str:
    """Return the name of an output for messages."""
    return "standard output" if out == STANDARD else str(out)


def _target(option: str, out: Path) -> Path:
    try:
        return out.resolve()
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{option} {out} must not be a link that leads to itself") from error


def _mode(path: Path) -> int:
    """Return the file type, following links; 0 if there is nothing."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _same(one: Path, other: Path) -> bool:
    try:
        found = os.fstat(0) if other == STANDARD else other.stat()
        return os.path.samestat(one.stat(), found)
    except OSError:
        return False
