"""Teachers: a model, an ensemble or any callable, and the logits that they give rows."""

from __future__ import annotations

import hashlib
import inspect
import marshal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ctrkit import __version__
from ctrkit.models import MODELS, CTRModel
from ctrkit.training import Examples, blocks_of, check_inputs, eval_mode, joined, score_stream

CALLABLE_ROWS = 4096
"""Rows that a callable teacher is given at a time."""

Teacher = CTRModel | Sequence[CTRModel] | Callable[..., Any]
"""A model; several, whose logits are averaged; or a callable that returns logits ``(B,)`` for ids
``(B, S)``, given values ``(B, V)`` as well where the data has numbers kept as values."""


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
    check_inputs(rows)
    models = models_of(teacher)
    parts: Iterable[NDArray[Any]]
    if models is not None:
        chunks = zip(*(score_stream(model, blocks_of(rows)) for model in models), strict=True)
        parts = (np.stack(chunk).mean(axis=0, dtype=np.float64) for chunk in chunks)
    else:
        parts = _called(teacher, rows)
    logits = joined(parts, len(rows.ids))
    is_bad = ~np.isfinite(logits)
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0])
        raise ValueError(
            f"the teacher's logits must be finite, got {logits[row]} for row {row} of the {what} "
            f"rows ({np.count_nonzero(is_bad)} such rows); its training went wrong, or its ids are "
            "not those of this data"
        )
    return logits


def _called(teacher: Any, rows: Examples) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of a callable in parts."""
    is_module = isinstance(teacher, nn.Module)
    device = _device_of(teacher) if is_module else torch.device("cpu")
    for block in blocks_of(rows, CALLABLE_ROWS):
        # Copies: a memory-mapped slice is read-only, which torch.from_numpy warns of.
        given = [np.array(array) for array in block.arrays]
        with torch.no_grad(), eval_mode(teacher) if is_module else nullcontext():
            tensors = (torch.from_numpy(array).to(device) for array in given)
            logits = torch.as_tensor(teacher(*tensors)).detach().float().cpu().numpy()
        if logits.shape != (len(given[0]),):
            raise ValueError(
                f"a callable teacher must return logits of shape ({len(given[0])},) for ids "
                f"of shape {given[0].shape}, got {logits.shape}"
            )
        yield logits


def _device_of(module: nn.Module) -> torch.device:
    some = next(module.parameters(), None)
    return torch.device("cpu") if some is None else some.device


def fingerprint_of(teacher: Teacher) -> str | None:
    """Return what tells a teacher from any other: SHA-256 of its class, options and weights.

    Of a class of the caller's own, the source of its module counts as well, which says nothing of
    what that imports; an attribute ``fingerprint`` takes its place. A callable has none but that.
    """
    models = models_of(teacher)
    if models is None:
        named = getattr(teacher, "fingerprint", None)
        return None if named is None else hashlib.sha256(str(named).encode()).hexdigest()
    digest = hashlib.sha256(__version__.encode())
    for model in models:
        fields = [
            entry if isinstance(entry, int) else entry.to_mapping() for entry in model.cardinalities
        ]
        # Without a linear part a model is described as it was before there was one.
        options = {k: v for k, v in model.options().items() if k != "linear" or v is not False}
        described = (type(model).__qualname__, options, fields)
        digest.update(repr(described).encode())
        if type(model) not in MODELS.values():
            named = getattr(model, "fingerprint", None)
            digest.update(_code_of(type(model)) if named is None else str(named).encode())
        for name, weights in model.state_dict().items():
            digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
            digest.update(weights.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _code_of(kind: type[CTRModel]) -> bytes:
    """Return the source of the modules of a class and those it extends, but for ctrkit's.

    Where there is none, for what was typed in a notebook or at a prompt, its compiled methods.
    """
    parts = []
    for parent in kind.__mro__:
        if not issubclass(parent, CTRModel) or parent.__module__.startswith("ctrkit."):
            continue
        try:
            parts.append(inspect.getsource(sys.modules[parent.__module__]).encode())
        except (OSError, TypeError, KeyError):
            methods = filter(inspect.isfunction, vars(parent).values())
            parts += [marshal.dumps(method.__code__) for method in methods]
    return b"".join(parts)
