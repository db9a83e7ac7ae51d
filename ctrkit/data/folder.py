"""Folders that appear when they are whole, and temporary ones."""

from __future__ import annotations

import contextlib
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

from ctrkit.aside import FOLDER_ASIDE, REPLACED, held_aside, locked, named_when_full, sync, sync_all


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
        OSError: if the folder cannot be written, or the disk is full.
    """
    with contextlib.ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(held_aside(out, FOLDER_ASIDE, Path.mkdir))
        except OSError as error:
            raise OSError(f"cannot write to {out.parent}: {error.strerror or error}") from error
        with named_when_full(out):
            yield folder
            if durable:
                sync_all([*folder.rglob("*"), folder])
        if force and out.exists():
            _replace(out, folder)
        else:
            folder.rename(out)
        if durable:
            sync(out.parent)


def _replace(out: Path, folder: Path) -> None:
    """Exchange a folder for `out`; where that is cut short, `remove_left_overs` puts `out` back."""
    old = folder.with_suffix(REPLACED)
    with locked(out, wait=True):
        out.rename(old)
        try:
            folder.rename(out)
        except BaseException:
            old.rename(out)
            raise
        # Under this name it is never put back, should its removal be cut short.
        old.rename(folder)
        shutil.rmtree(folder)
