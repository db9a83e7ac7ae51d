"""Folders that appear when they are whole, and temporary ones."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path


class TemporaryFolder:
    """A folder that is removed with the last object that refers to this one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._remove = weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)


@contextlib.contextmanager
def new_folder(out: Path, *, force: bool, durable: bool) -> Iterator[Path]:
    """Give a folder aside, which becomes `out` at the end, or vanishes if that is not reached.

    Args:
        out: the folder to make.
        force: replace what is there.
        durable: wait until all of it is on the disk before it gets its name.

    Raises:
        OSError: if the folder cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = out.parent / f".{out.name}.{secrets.token_hex(4)}.partial"
        folder.mkdir()
    except OSError as error:
        raise OSError(f"cannot write to {out.parent}: {error.strerror or error}") from error
    try:
        yield folder
        if durable:
            _sync(folder)
        if force and out.exists():
            old = folder.with_suffix(".old")
            out.rename(old)
            try:
                folder.rename(out)
            except BaseException:
                old.rename(out)
                raise
            shutil.rmtree(old)
        else:
            folder.rename(out)
        if durable:
            _sync_one(out.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _sync(folder: Path) -> None:
    """Wait until a folder and all that is in it is on the disk."""
    for path in folder.rglob("*"):
        _sync_one(path)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
