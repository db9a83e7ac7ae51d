"""Weights on disk: nothing in the file is executed when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ctrkit.files import written_aside
from ctrkit.training.archive import check_archive, check_tensors


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain data so that `load_tensors` reads them.

    Raises:
        OSError: if the file cannot be written, or the disk is full.
    """
    with written_aside(path) as temporary, temporary.open("wb") as file:
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
        check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(content, dict):
            raise ValueError(f"it must hold a dict, got a {type(content).__name__}")
        check_tensors(content)
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile and torch raise a dozen kinds for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} must be a ctrkit checkpoint, got a file unlike one: {reason}; "
            "copy it again, or train again"
        ) from error
    return content


def weights_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of a module's weights on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
