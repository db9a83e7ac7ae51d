"""Does a model fit the memory, or a checkpoint the model? Asked before anything is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ctrkit.fields import Cardinalities
from ctrkit.models import CTRModel
from ctrkit.models.catalog import blueprint
from ctrkit.options import shown
from ctrkit.training.memory import memory_bytes


def check_fits_memory(name: str, cardinalities: Cardinalities, options: Mapping[str, Any]) -> None:
    """Make sure that the weights of a new model fit the memory of this machine.

    Raises:
        ValueError: if they do not, or an option is refused.
        TypeError: if an option has the wrong type.
    """
    there = memory_bytes()
    model = blueprint(name, cardinalities, options, where="model options")
    needed = sum(weights.nbytes for weights in model.state_dict().values())
    if there is not None and needed > there:
        raise ValueError(
            f"the weights of {name} must fit the memory of this machine, {there / 1e9:,.1f} GB, "
            f"got {needed / 1e9:,.1f} GB; reduce embedding_dim or the sizes of the layers, or give "
            "rare categories one id (min_count, hash_buckets)"
        )


def check_weights(path: Path, found: Any, model: CTRModel) -> dict[str, Tensor]:
    """Return what a checkpoint holds for a model, where it has the model's names and shapes.

    Args:
        path: the checkpoint, for messages.
        found: its weights; each is backed by bytes of the file (see `load_tensors`).
        model: the model, or its `blueprint`.

    Raises:
        ValueError: if a weight is missing, is of another shape or type, or is one too many.
    """
    wanted = model.state_dict()
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} must hold the weights of this run, got {shown(found)}")
    for name in [*wanted, *found]:
        theirs, ours = _describe(found.get(name)), _describe(wanted.get(name))
        if theirs != ours:
            raise ValueError(
                f"{path} must hold the weights of this run: {name} must be {ours}, got {theirs}"
            )
    return dict(found)


def _describe(weights: Any) -> str:
    if weights is None:
        return "nothing"
    if not isinstance(weights, Tensor):
        return f"a {type(weights).__name__}"
    return f"{str(weights.dtype).removeprefix('torch.')} of shape {tuple(weights.shape)}"
