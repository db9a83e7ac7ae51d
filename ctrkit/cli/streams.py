"""Streams that are closed or full: a message is lost, a result is an error."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress


class _Lossy(io.RawIOBase):
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        with suppress(OSError):
            return os.write(self._descriptor, data)
        return len(data)


class _Closed(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        del data
        raise OSError(errno.EBADF, "it is closed")


def closed() -> io.TextIOWrapper:
    """Return a text stream that takes nothing, for a closed standard output."""
    return io.TextIOWrapper(io.BufferedWriter(_Closed()))  # type: ignore[type-var]


def lossy(descriptor: int, encoding: str) -> io.TextIOWrapper:
    """Return a text stream on an open descriptor; writing to it never fails.

    A progress bar or a message must not cost a run of hours.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(_Lossy(descriptor)),  # type: ignore[type-var]
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
