"""Files, pipes and devices that hold raw rows: opened, unpacked and hashed while they are read."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import re
import sys
import weakref
import zlib
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

STANDARD_INPUT = "-"
"""The name of standard input in place of a path."""

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
"""What reading a damaged compressed file raises."""

_PACKED = {
    rb"PK\x03\x04": "a zip archive",
    rb"7z\xbc\xaf\x27\x1c": "a 7z archive",
    rb"BZh[1-9]1AY&SY": "packed by bzip2",
    rb"\x28\xb5\x2f\xfd": "packed by Zstandard",
    rb"(?s).{257}ustar": "a tar archive",
}
"""What a file begins with that cannot be read, once gzip or xz around it is unpacked."""

_PARQUET = rb"PAR1[\x00-\x08\x0e-\x1f]"


class RawFile:
    """A file, or a stream: a pipe, a device or standard input, which can be read only once.

    What was read from a stream to learn what it holds can be read again (see `peeking`).

    Args:
        path: of the file; ``"-"`` for standard input.

    Attributes:
        path: the path.
        name: what messages call it.
        stream: what tells a stream from all others, None for a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a folder, an archive, or packed in another way.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = spelled_path(path)
        self.stream = stream_of(self.path)
        self._opened: Unpacked | None = None
        self._is_spent = False
        if self.stream is None:
            check_file(self.path)

    @contextmanager
    def reading(self) -> Iterator[Unpacked]:
        """Open the file for as long as it is read, or take a stream, which is then spent.

        Raises:
            ValueError: if it is an archive, or a stream that is spent.
        """
        if self.stream is None:
            with self.path.open("rb") as file:
                yield Unpacked(file, self.name, os.fstat(file.fileno()).st_size)
            return
        stream = self._open_stream()
        self._is_spent = True
        yield stream

    def peeking(self) -> AbstractContextManager[Unpacked]:
        """Do the same, but leave a stream as if nothing had been read.

        Raises:
            ValueError: if it is an archive, or a stream that is spent.
        """
        return self.reading() if self.stream is None else self._open_stream().peeking()

    def _open_stream(self) -> Unpacked:
        if self._is_spent:
            raise ValueError(f"{self.name} can be read only once, and has been read")
        if self._opened is None:
            if str(self.path) == STANDARD_INPUT:
                file = sys.stdin.buffer
            else:
                file = self.path.open("rb")
                weakref.finalize(self, file.close)
            self._opened = Unpacked(file, self.name)
        return self._opened


class Unpacked:
    """The content of a file, unpacked if it is gzip or xz; the bytes on disk are hashed.

    Args:
        file: the file, at its beginning.
        name: what messages call it.
        size: of the file; 0 where it is unknown.

    Raises:
        ValueError: if it is an archive, or packed in another way.
    """

    def __init__(self, file: BinaryIO, name: str, size: int = 0) -> None:
        self.size = size
        self._hashed = _HashedFile(file)
        self._stream = _unpacking(self._hashed)
        self._kept: bytearray | None = None
        self._again = memoryview(b"")
        self._damage: Exception | None = None
        try:
            start = self._stream.peek(512)  # type: ignore[attr-defined]
        except DAMAGED as error:
            self._damage = error  # said when it is read, with the line
        else:
            _check_start(start, name, is_stream=not size)

    @property
    def num_bytes(self) -> int:
        """How many bytes of the file were read, packed as it is."""
        return self._hashed.num_bytes

    @property
    def fraction(self) -> float:
        """How much of the file was read, 0 to 1; 0 where its size is unknown."""
        return self.num_bytes / self.size if self.size else 0.0

    def fill(self, buffer: memoryview) -> int:
        """Fill a buffer, and return how many bytes it holds: fewer at the end only.

        Raises:
            Exception: one of `DAMAGED`.
        """
        if self._damage is not None:
            raise self._damage
        start = len(self._again[: len(buffer)])
        buffer[:start] = self._again[:start]
        self._again = self._again[start:]
        filled = start + _fill(self._stream, buffer[start:])
        if self._kept is not None:
            self._kept += buffer[start:filled]
        return filled

    @contextmanager
    def peeking(self) -> Iterator[Unpacked]:
        """Begin again, at the end, with all that is read meanwhile."""
        self._kept = bytearray(self._again)
        try:
            yield self
        finally:
            self._again = memoryview(bytes(self._kept))
            self._kept = None

    def finish(self) -> str:
        """Hash what was left unread, and return the SHA-256 of the file."""
        return self._hashed.finish()


def spelled_path(path: str | os.PathLike[str]) -> str:
    """Return what messages call a file."""
    return "standard input" if str(path) == STANDARD_INPUT else str(path)


def stream_of(path: Path) -> Hashable | None:
    """Return what tells a stream from all others; None for what is none, or is not there."""
    if str(path) == STANDARD_INPUT:
        if sys.stdin is None:
            raise ValueError("standard input is closed; name a file")
        try:
            found = os.fstat(sys.stdin.fileno())
        except (OSError, ValueError):  # a stream of Python
            return STANDARD_INPUT
    elif not path.exists() or path.is_dir() or path.is_file():
        return None
    else:
        found = path.stat()
    return found.st_dev, found.st_ino


def check_file(path: Path) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` unless there is a file that can be read."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        raise ValueError(f"{path} must be a file, got a directory")
    with path.open("rb") as file:
        Unpacked(file, str(path), path.stat().st_size)


def _check_start(start: bytes, name: str, *, is_stream: bool) -> None:
    if is_stream and re.match(_PARQUET, start):
        raise ValueError(f"{name} is Parquet, which cannot be read from a stream; give a file")
    for pattern, what in _PACKED.items():
        if re.match(pattern, start):
            raise ValueError(f"{name} is {what}; unpack it first")


def _fill(file: Any, buffer: memoryview) -> int:
    """Read until a buffer is full or the file ends, and return how many bytes were read.

    A pipe gives what it has, a few bytes perhaps, too few to tell whether they are packed.
    """
    filled = 0
    while filled < len(buffer) and (count := file.readinto(buffer[filled:])):
        filled += count
    return filled


class _HashedFile(io.RawIOBase):
    """A file that is hashed while it is read, so that it is read only once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)
        filled = _fill(self._file, view)
        self._sha256.update(view[:filled])
        self.num_bytes += filled
        return filled

    def finish(self) -> str:
        """Hash what a decompressor has left unread, and return the digest."""
        while self.read(1 << 20):
            pass
        return self._sha256.hexdigest()


def _unpacking(file: _HashedFile) -> io.BufferedIOBase:
    buffered = io.BufferedReader(file, 1 << 20)
    start = buffered.peek(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=buffered)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(buffered)
    return buffered
