"""Weights on disk: nothing in the file is executed when it is read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctrkit.files import atomic_write, check_is_file
from ctrkit.options import printable, shortened, shown
from ctrkit.training.checkpoints.archive import read_parts
from ctrkit.training.checkpoints.plain_pickle import read_pickle

MOST_BESIDE = 128 << 20
"""Most bytes of a file of weights that are no weights: names, sizes and padding."""

_BYTE_ORDER = sys.byteorder.encode()


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain data so that `load_tensors` reads them.

    Raises:
        OSError: if the file cannot be written, or the disk is full.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)  # to a path, it would hide why it could not write
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_tensors(path: Path) -> dict[str, Any]:
    """Map what `save_tensors` wrote into memory; nothing in the file is executed.

    A table is thus read when it is copied into a model, and never held twice. All of the file is
    read once before, for its checksums.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a checkpoint, or is damaged.
    """
    try:
        content = _read(path)
        if not isinstance(content, dict):
            raise ValueError(f"it must hold a dict, got a {type(content).__name__}")
    except ValueError as error:
        raise ValueError(
            f"{path} must be a ctrkit checkpoint, got a file unlike one: {error}; "
            "copy it again, or train again"
        ) from error
    return content


def _read(path: Path) -> Any:
    """Return what is in an archive of tensors: data.pkl, and the numbers that it refers to."""
    parts = read_parts(path)
    pickles = [name for name in parts if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"it must hold one data.pkl, got {shown(pickles)}")
    folder = pickles[0].removesuffix("data.pkl")
    # Copy-on-write, for PyTorch warns of memory that it may not write; nobody writes it.
    mapped = np.memmap(path, np.uint8, "c")

    def content_of(name: str) -> NDArray[np.uint8]:
        part = parts.get(folder + name)
        if part is None:
            raise ValueError(f"it has no part {shown(name)}")
        return mapped[part.start : part.start + part.size]

    def numbers_of(key: str, dtype: torch.dtype) -> Tensor:
        name = f"data/{key}"
        content = content_of(name)
        if len(content) % dtype.itemsize or parts[folder + name].start % dtype.itemsize:
            raise ValueError(f"part {shown(name)} must hold numbers of {dtype.itemsize} bytes")
        if dtype == torch.bool and content.max(initial=0) > 1:
            raise ValueError(f"part {shown(name)} must hold truth values")
        return torch.from_numpy(content).view(dtype)

    if f"{folder}byteorder" in parts and content_of("byteorder").tobytes() != _BYTE_ORDER:
        raise ValueError(f"its numbers must be {sys.byteorder}-endian")
    return read_pickle(content_of("data.pkl").tobytes(), numbers_of)


def weights_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of a module's weights on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}


def load_weights(path: Path, model: torch.nn.Module) -> dict[str, Tensor]:
    """Map the weights of a model that `save_tensors` wrote under ``"model"``.

    Args:
        path: the file.
        model: the model, or its `blueprint`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or holds the weights of another model.
    """
    check_is_file(path)
    size, needed = path.stat().st_size, sum(w.nbytes for w in model.state_dict().values())
    if size > needed + MOST_BESIDE:
        raise ValueError(  # before all of it is read: a file with holes may have any size
            f"{path} must hold the weights of this run, {needed:,} bytes, got {size:,}; "
            "copy it again, or train again"
        )
    found = load_tensors(path).get("model")
    try:
        return check_weights(found, model)
    except ValueError as error:
        raise ValueError(f"{path} must hold the weights of this run: {error}") from error


def check_weights(found: Any, model: torch.nn.Module) -> dict[str, Tensor]:
    """Return weights that have the names, shapes and types of a model's.

    Args:
        found: what a file holds; each tensor is backed by bytes of it (see `load_tensors`).
        model: the model, or its `blueprint`.

    Raises:
        ValueError: if a weight is missing, is of another shape or type, or is one too many.
    """
    wanted = model.state_dict()
    if not isinstance(found, dict):
        raise ValueError(f"the weights must be a dict, got {shown(found)}")
    for name in [*wanted, *found]:
        theirs, ours = _describe(found.get(name)), _describe(wanted.get(name))
        if theirs != ours:
            raise ValueError(f"weight {printable(shortened(name))} must be {ours}, got {theirs}")
    return found


def _describe(weights: Any) -> str:
    if weights is None:
        return "nothing"
    if not isinstance(weights, Tensor):
        return f"a {type(weights).__name__}"
    return f"{str(weights.dtype).removeprefix('torch.')} of shape {tuple(weights.shape)}"
