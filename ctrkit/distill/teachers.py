"""Teachers: a model, an ensemble or any callable, and the logits that they give rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctrkit.models import CTRModel
from ctrkit.options import to_mapping
from ctrkit.training import score
from ctrkit.training.batches import Examples

CALLABLE_ROWS = 4096
"""Rows that a callable teacher is given at a time."""

Teacher = CTRModel | Sequence[CTRModel] | Callable[[Tensor, Tensor | None], Any]
"""A model; several, whose logits are averaged; or ``ids (B, S), values (B, V) -> logits (B,)``."""


def models_of(teacher: Teacher) -> tuple[CTRModel, ...] | None:
    """Return the models of a teacher, None for a callable of another kind.

    Raises:
        TypeError: if it is no teacher at all.
        ValueError: if it is an ensemble of none.
    """
    if isinstance(teacher, CTRModel):
        return (teacher,)
    if isinstance(teacher, Sequence) and not isinstance(teacher, str):
        if not teacher:
            raise ValueError("teacher must be at least one model, got an empty sequence")
        for member in teacher:
            if not isinstance(member, CTRModel):
                raise TypeError(
                    f"every member of an ensemble must be a CTRModel, got {type(member).__name__}"
                )
        return tuple(teacher)
    if callable(teacher):
        return None
    raise TypeError(
        "teacher must be a CTRModel, a sequence of them or a callable on ids, "
        f"got {type(teacher).__name__}"
    )


def compute_logits(teacher: Teacher, rows: Examples, *, what: str) -> NDArray[np.float32]:
    """Return the teacher's logits ``(N,)``, in eval mode and without gradients.

    Args:
        teacher: see `Teacher`; an ensemble's logits are the mean of its members'.
        rows: what to score.
        what: the rows' name, for messages.

    Raises:
        ValueError: if an id is out of range, a callable returns another shape, or a logit is not
            finite; names the row.
    """
    models = models_of(teacher)
    if models is not None:
        total = np.zeros(len(rows.labels), np.float64)
        for model in models:
            total += score(model, rows)
        logits = (total / len(models)).astype(np.float32)
    else:
        logits = _called(teacher, rows)
    is_bad = ~np.isfinite(logits)
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0])
        raise ValueError(
            f"the teacher's logits must be finite, got {logits[row]} for row {row} of the {what} "
            f"rows ({np.count_nonzero(is_bad)} such rows); its training went wrong, or its ids are "
            "not those of this data"
        )
    return logits


def _called(teacher: Any, rows: Examples) -> NDArray[np.float32]:
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(rows.labels), CALLABLE_ROWS):
        chunk = slice(start, start + CALLABLE_ROWS)
        ids = torch.from_numpy(np.array(rows.ids[chunk]))
        values = None if rows.values is None else torch.from_numpy(np.array(rows.values[chunk]))
        with torch.no_grad():
            logits = torch.as_tensor(teacher(ids, values)).detach().float().cpu().numpy()
        if logits.shape != (len(ids),):
            raise ValueError(
                f"a callable teacher must return logits of shape ({len(ids)},) for ids of shape "
                f"{tuple(ids.shape)}, got {logits.shape}"
            )
        parts.append(logits)
    return np.concatenate(parts)


def fingerprint_of(teacher: Teacher) -> str | None:
    """Return what tells a teacher from any other: SHA-256 of its class, options and weights.

    A callable has one only if it says so, by an attribute ``fingerprint``; else None.
    """
    models = models_of(teacher)
    if models is None:
        named = getattr(teacher, "fingerprint", None)
        return None if named is None else hashlib.sha256(str(named).encode()).hexdigest()
    digest = hashlib.sha256()
    for model in models:
        fields = [
            entry if isinstance(entry, int) else to_mapping(entry) for entry in model.cardinalities
        ]
        described = (type(model).__qualname__, model.options(), fields)
        digest.update(repr(described).encode())
        for name, weights in model.state_dict().items():
            digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
            digest.update(weights.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
