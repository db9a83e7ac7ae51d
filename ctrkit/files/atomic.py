"""Temporary files and folders beside their target: locked while in use, removed after a crash."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from ctrkit.files.checks import check_writable

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, so what killed processes left stays
    fcntl = None  # type: ignore[assignment]

FILE_SUFFIX, FOLDER_SUFFIX, REPLACED = ".part", ".partial", ".old"
"""What ends the hidden name of a file or a folder that is being written, and of a folder that one
is taking the place of; see `temporary_beside`."""

_SUFFIXES = "|".join(map(re.escape, (FILE_SUFFIX, FOLDER_SUFFIX, REPLACED)))
_TEMPORARY = re.compile(rf"\.(.+)\.[0-9a-f]{{8}}({_SUFFIXES})", flags=re.DOTALL)

_SHARED_TOKEN = "00000000"
"""Stands in the name of what only one process may write, in place of random digits."""

_AT_CURRENT_FOLDER, _EXCHANGE = -100, 2  # of Linux: AT_FDCWD, RENAME_EXCHANGE

_SYNC_THREADS = 4
"""3,000 small files took 6.7 s with one thread, .5 with 4 and .4 with 16."""

_LONGEST = 255 - len(".") - len(".00000000") - len(FOLDER_SUFFIX)
"""Bytes of the longest name that a hidden one can hold."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def temporary_beside(
    path: Path, suffix: str, make: Callable[[Path], object], *, alone: bool = False
) -> Iterator[Path]:
    """Make a hidden, temporary file or folder beside `path`; what lies there at the end is removed.

    It is locked for as long as it is in use, so that what a killed process has left can be told
    from it: its lock is gone. That is removed first.

    Args:
        path: the final name.
        suffix: one of `FILE_SUFFIX` and `FOLDER_SUFFIX`.
        make: makes the file or the folder, and fails with ``FileExistsError`` if it is there.
        alone: refuse to work beside another process that does the same.

    Raises:
        FileExistsError: with `alone`, if another process is writing to `path`; file systems
            without locks do not tell.
    """
    remove_left_overs(path.parent, of=path.name)
    temporary, lock = _made_and_locked(path, suffix, make, alone=alone)
    try:
        yield temporary
    finally:
        _remove(temporary)
        os.close(lock)


def remove_left_overs(folder: Path, *, of: str | None = None) -> None:
    """Remove what killed processes have left in a folder, and nothing that is in use.

    A folder that was moved away to be replaced, but was not, gets its name back. What belongs to
    somebody else stays, and so does everything where the file system knows no locks.

    Args:
        folder: where to look; folders in it are not searched.
        of: the final name of what they would have become; anything if not given.
    """
    if not folder.is_dir():
        return
    for name in sorted(os.listdir(folder)):  # .old before .partial
        final = final_name(name)
        if final is not None and (of is None or final == _stem(of)):
            with suppress(OSError):
                _remove_left_over(folder / name, folder / (of or final))


def final_name(name: str) -> str | None:
    """Return what a temporary file or folder would have become, None for the name of any other."""
    found = _TEMPORARY.fullmatch(name)
    return None if found is None else found[1]


def _stem(name: str) -> str:
    """Return what stands for a name in a hidden one, which is longer: names have a limit."""
    return name if len(os.fsencode(name)) <= _LONGEST else sha256(os.fsencode(name)).hexdigest()


def _remove_left_over(left: Path, path: Path) -> None:
    # What is of another kind is not ours: opening a pipe would wait for its writer.
    is_ours = stat.S_ISREG if left.suffix == FILE_SUFFIX else stat.S_ISDIR
    if not is_ours(left.lstat().st_mode):
        return
    with locked(left, wait=False) as is_dead:
        if is_dead and left.suffix == REPLACED and not path.exists():
            left.rename(path)
        elif is_dead:
            _remove(left)


def _made_and_locked(
    path: Path, suffix: str, make: Callable[[Path], object], *, alone: bool
) -> tuple[Path, int]:
    token = _SHARED_TOKEN if alone else secrets.token_hex(4)
    while True:
        temporary = path.with_name(f".{_stem(path.name)}.{token}{suffix}")
        try:
            make(temporary)
        except FileExistsError:
            if not alone:
                raise
            with suppress(FileNotFoundError), locked(temporary, wait=False) as is_dead:
                if is_dead is False:
                    raise _in_use(path) from None
                token = secrets.token_hex(4)  # left there, and nobody can tell by whom
            continue
        # Until it is locked, another process takes it for a left-over.
        with suppress(FileNotFoundError):
            lock = os.open(temporary, os.O_RDONLY)
            is_locked = _lock(lock, wait=not alone)
            if is_locked is not False and _is_open_as(lock, temporary):
                return temporary, lock
            os.close(lock)


def _is_open_as(descriptor: int, path: Path) -> bool:
    """Return whether a path still leads to what was opened."""
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


def _in_use(path: Path) -> FileExistsError:
    return FileExistsError(
        f"{path} is being written by another process; wait until it ends, or give a new folder"
    )


def exchange(one: Path, other: Path) -> bool:
    """Swap the names of two files or folders in one step; return False where that is not possible.

    Linux alone can do that, and not on every file system.

    Raises:
        OSError: if it can, and fails.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    folder = _AT_CURRENT_FOLDER
    if not rename(folder, os.fsencode(one), folder, os.fsencode(other), ctypes.c_uint(_EXCHANGE)):
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing a folder too, where the file system knows locks.

    Raises:
        FileExistsError: if another process is writing it.
    """
    with locked(folder, wait=False) as is_free:
        if is_free is False:
            raise _in_use(folder)
        yield


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool | None]:
    """Lock a file or folder; yields whether nobody else has it, None where that is unknown."""
    lock = os.open(path, os.O_RDONLY)
    try:
        yield _lock(lock, wait=wait)
    finally:
        os.close(lock)


def _lock(descriptor: int, *, wait: bool) -> bool | None:
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None  # a file system without locks
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def named_when_full(path: Path) -> Iterator[None]:
    """Let the error of a full disk, which names nothing, name what could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in _FULL:
            raise
        reason = f"{os.strerror(error.errno)}; free space there, or write elsewhere"
        raise OSError(error.errno, reason, str(path)) from error


def sync_all(paths: Iterable[Path]) -> None:
    """Do what `sync` does for many: in threads, so that the disk writes several at a time."""
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        for _ in pool.map(sync, paths):
            pass


def sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the name, else it is removed.

    Raises:
        OSError: see `check_writable`; or if the disk is full.
    """
    check_writable(path)
    with named_when_full(path), temporary_beside(path, FILE_SUFFIX, Path.touch) as temporary:
        yield temporary
        if path.exists():
            shutil.copymode(path, temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


def write_together(folder: Path, contents: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Write many files of a folder: each is whole or not there, and all are synced at once.

    They are written into one temporary folder, so that one lock and one search for what killed
    processes left are enough for all.

    Args:
        folder: where to write them.
        contents: name of each file, and its content in pieces.

    Raises:
        OSError: if the folder cannot be written, or the disk is full.
    """
    with named_when_full(folder), temporary_beside(folder, FOLDER_SUFFIX, Path.mkdir) as temporary:
        names = []
        for name, pieces in contents:
            with (temporary / name).open("wb") as file:
                file.writelines(pieces)
            names.append(name)
        sync_all(temporary / name for name in names)
        for name in names:
            (temporary / name).replace(folder / name)
        sync(folder)
