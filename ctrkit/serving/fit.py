"""Check that a model fits in memory, before anything is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrkit.fields import Cardinalities
from ctrkit.models import CTRModel
from ctrkit.models.catalog import blueprint, name_of
from ctrkit.training.memory import memory_bytes


def check_fits_memory(
    kind: str | type[CTRModel], cardinalities: Cardinalities, options: Mapping[str, Any]
) -> None:
    """Make sure that the weights of a new model fit the memory of this machine.

    Raises:
        ValueError: if they do not, or an option is refused.
        TypeError: if an option has the wrong type.
    """
    there = memory_bytes()
    model = blueprint(kind, cardinalities, options, where="model options")
    needed = sum(weights.nbytes for weights in model.state_dict().values())
    if there is not None and needed > there:
        raise ValueError(
            f"the weights of {name_of(kind)} must fit the memory of this machine, "
            f"{there / 1e9:,.1f} GB, got {needed / 1e9:,.1f} GB; reduce embedding_dim or the sizes "
            "of the layers, or give rare categories one id (min_count, hash_buckets)"
        )
