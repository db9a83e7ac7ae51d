"""Folders that appear when they are whole, and temporary ones."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

from ctrkit.files import (
    FOLDER_SUFFIX,
    REPLACED,
    exchange,
    final_name,
    locked,
    named_when_full,
    sync,
    sync_all,
    temporary_beside,
)
from ctrkit.options import shown

_OUR_FOLDERS = re.compile(r"vocabularies|click_counts|train|valid|test|teachers|teachers/[0-9a-f]+")
_OUR_FILES = re.compile(
    r"schema\.json|skipped\.tsv|vocabularies/\d{3,}_.*\.txt"
    r"|click_counts/\d{3,}_.*\.npy"
    r"|(train|valid|test)/(ids|labels|values)\.npy"
    r"|(teachers/[0-9a-f]+/)?((train|valid)\.npy|logits\.json)"
)
"""Paths in a folder of prepared data, and in one of a teacher's logits."""


class TemporaryFolder:
    """A folder that is removed with the last object that refers to this one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._remove = weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)


@contextlib.contextmanager
def new_folder(out: Path, *, force: bool, durable: bool) -> Iterator[Path]:
    """Yield a hidden folder, which becomes `out` at the end, or is removed on an error.

    Args:
        out: the folder to make.
        force: replace what is there, see `check_replaceable`.
        durable: wait until everything is on the disk before the rename.

    Raises:
        FileExistsError: if another process is making the same folder, or what is there is not to
            be replaced.
        OSError: if the folder cannot be written, or the disk is full.
    """
    out = _link_followed(out)
    with contextlib.ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(
                temporary_beside(out, FOLDER_SUFFIX, Path.mkdir, alone=True)
            )
        except FileExistsError as error:
            if error.errno is None:  # our own
                raise
            raise NotADirectoryError(f"{out.parent} must be a folder, got a file") from error
        except OSError as error:
            raise OSError(f"cannot write to {out.parent}: {error.strerror or error}") from error
        with named_when_full(out):
            yield folder
            if durable:
                sync_all([*folder.rglob("*"), folder])
        if force and out.exists():
            check_replaceable(out)
            _replace(out, folder)
        else:
            _rename(folder, out)
        if durable:
            sync(out.parent)


def _link_followed(path: Path) -> Path:
    """Return the target of a link, so that the link stays; any other path unchanged."""
    if not path.is_symlink():
        return path
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise OSError(f"{path} must not be a link that leads to itself") from error


def check_replaceable(folder: Path) -> None:
    """Check that a folder holds only what ctrkit can make again.

    That is prepared data, with the logits of teachers on it.

    Raises:
        FileExistsError: if there is anything else, naming it.
    """
    for place, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            path = Path(place, name).relative_to(folder)
            ours = _OUR_FOLDERS if name in folders else _OUR_FILES
            if final_name(name) is None and not ours.fullmatch(path.as_posix()):
                raise FileExistsError(
                    f"{folder} must hold nothing but prepared data to be replaced, got "
                    f"{shown(str(path))}; move it elsewhere, or name another folder"
                )
        folders[:] = [name for name in folders if final_name(name) is None]


def _rename(folder: Path, out: Path) -> None:
    try:
        folder.rename(out)
    except OSError as error:
        if not os.path.lexists(out):
            raise
        raise FileExistsError(
            f"{out} must be new or empty, but something was put there meanwhile; "
            "name another folder"
        ) from error


def _replace(out: Path, folder: Path) -> None:
    """Replace `out` by a folder, in one step if the system can.

    If that is interrupted, `remove_left_overs` restores `out`.
    """
    if exchange(folder, out):
        shutil.rmtree(folder)
        return
    old = folder.with_suffix(REPLACED)
    with locked(out, wait=True):
        out.rename(old)
        try:
            folder.rename(out)
        except BaseException:
            old.rename(out)
            raise
        # Under this name it is never restored, even if its removal is interrupted.
        old.rename(folder)
        shutil.rmtree(folder)
