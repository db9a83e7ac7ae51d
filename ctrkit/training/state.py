"""Check the saved state of a run before any of it is used: a checkpoint may be from a stranger."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from ctrkit.options import from_mapping, shown, to_mapping
from ctrkit.training.checkpoints import check_weights
from ctrkit.training.config import TrainConfig
from ctrkit.training.history import Record
from ctrkit.training.optimizers import LazyOptimizer

_LARGEST_COUNT = 1 << 62


def check_state(
    state: Mapping[str, Any],
    *,
    recipe: Mapping[str, Any],
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    last_step: int,
    figures: Mapping[str, bool],
) -> None:
    """Check that a run with this recipe, model and optimizers can resume from a state.

    Args:
        state: what a checkpoint holds.
        recipe: options that both must have in common.
        model: the model, before the state is put into it.
        optimizers: those of the model.
        last_step: the number of steps that the run can have.
        figures: figures of a validation that may be missing, and whether this run has them.

    Raises:
        ValueError: if a part is missing, or no run with this recipe has it.
    """
    _check_recipe(_entry(state, "recipe", dict), recipe)
    step = _count(state, "step", most=last_step)
    check_weights(state.get("model"), model)
    saved = _entry(state, "optimizers", list)
    if len(saved) != len(optimizers):
        raise ValueError(f"it must have {len(optimizers)} optimizers, got {len(saved)}")
    for optimizer, one in zip(optimizers, saved, strict=True):
        _check_optimizer(optimizer, one, step)
    records = [_record(entry, figures) for entry in _entry(state, "records", list)]
    steps = [record.step for record in records]
    if steps != sorted(set(steps)) or not all(0 <= number <= step for number in steps):
        raise ValueError(f"its validations must come after one another, got steps {shown(steps)}")
    if records and not any(record.best for record in records):
        raise ValueError("one of its validations must be the best, got none")
    schedule = _entry(state, "schedule", dict)
    _number(schedule, "scale")
    _count(schedule, "since_better", most=len(records))
    losses = _entry(state, "losses", dict)
    _number(losses, "sum")
    _count(losses, "rows", most=_LARGEST_COUNT)
    for name, value in _entry(state, "generators", dict).items():
        if not isinstance(value, Tensor):
            raise ValueError(f"the state of generator {shown(name)} must be a tensor")
    _number(state, "seconds")
    _number(state, "seconds_since_validation")


def optimizer_state(
    optimizer: torch.optim.Optimizer,
    saved: Mapping[str, Any],
    copy: Callable[[Tensor], Tensor],
) -> dict[str, Any]:
    """Return what `optimizer` loads to resume from a saved state that was checked.

    It keeps its own options, except for the learning rate, which changes from step to step.

    Args:
        optimizer: what resumes.
        saved: its state in the checkpoint.
        copy: copies a tensor, which is mapped from the file.
    """
    groups = optimizer.state_dict()["param_groups"]
    for ours, theirs in zip(groups, saved["param_groups"], strict=True):
        ours["lr"] = theirs["lr"]
    state = {
        index: {name: copy(value) for name, value in entries.items()}
        for index, entries in saved["state"].items()
    }
    return {"state": state, "param_groups": groups}


def _check_recipe(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    # A run from before an option existed had what is now its default.
    theirs = {**to_mapping(TrainConfig()), **theirs}
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise ValueError(f"it is of a run with {name} {shown(theirs.get(name))}, got {value!r}")


def _check_optimizer(optimizer: torch.optim.Optimizer, saved: Any, step: int) -> None:
    if not isinstance(saved, dict):
        raise ValueError(f"the state of an optimizer must be a dict, got {shown(saved)}")
    groups = _entry(saved, "param_groups", list)
    if len(groups) != len(optimizer.param_groups):
        raise ValueError(f"an optimizer must have {len(optimizer.param_groups)} groups")
    for group in groups:
        if not isinstance(group, dict):
            raise ValueError(f"options of an optimizer must be a dict, got {shown(group)}")
        _number(group, "lr")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, entries in _entry(saved, "state", dict).items():
        if not isinstance(index, int) or not 0 <= index < len(parameters):
            raise ValueError(f"an optimizer holds weights 0 to {len(parameters) - 1}, got {index}")
        if not isinstance(entries, dict):
            raise ValueError(f"the state of weights {index} must be a dict, got {shown(entries)}")
        shape = parameters[index].shape
        expected = {"step": torch.Size(), "exp_avg": shape, "exp_avg_sq": shape}
        if isinstance(optimizer, LazyOptimizer):
            expected = optimizer.state_shapes(parameters[index])
        _check_tensors(entries, expected, step)


def _check_tensors(found: Mapping[Any, Any], expected: Mapping[str, torch.Size], step: int) -> None:
    if found.keys() != expected.keys():
        raise ValueError(f"an optimizer keeps {', '.join(expected)}, got {shown([*found])}")
    for name, shape in expected.items():
        value = found[name]
        if not isinstance(value, Tensor) or value.dtype != torch.float32 or value.shape != shape:
            raise ValueError(f"{name} of an optimizer must be float32 of shape {tuple(shape)}")
    if "step" in found and not 0 < float(found["step"]) <= step:
        raise ValueError(f"an optimizer has made 1 to {step} steps, got {float(found['step'])}")


def _record(entry: Any, figures: Mapping[str, bool]) -> Record:
    names = [field.name for field in fields(Record)]
    if not isinstance(entry, dict) or [*entry] != names:
        raise ValueError(f"a validation must have {', '.join(names)}, got {shown(entry)}")
    for name, is_there in figures.items():
        if (entry[name] is not None) != is_there:
            raise ValueError(f"a validation of this run has {'a' if is_there else 'no'} {name}")
    try:
        return from_mapping(Record, entry, where="a validation")
    except TypeError as error:
        raise ValueError(str(error)) from error


def _entry(state: Mapping[str, Any], name: str, kind: type) -> Any:
    value = state.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} must be a {kind.__name__}, got {shown(value)}")
    return value


def _count(state: Mapping[str, Any], name: str, *, most: int) -> int:
    value: int = _entry(state, name, int)
    if not 0 <= value <= most:
        raise ValueError(f"{name} must be 0 to {most}, got {shown(value)}")
    return value


def _number(state: Mapping[str, Any], name: str) -> None:
    value = _entry(state, name, float)
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
