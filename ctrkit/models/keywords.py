"""The keywords of a model's constructor as options: types from annotations, help from its docs."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any

from ctrkit.models.base import CTRModel
from ctrkit.options import SEQUENCES, check_types, members, shown

_SCALARS = (int, float, str)


@cache
def options_of(kind: type[CTRModel]) -> type:
    """Return the options of a model's class as a dataclass.

    Raises:
        TypeError: if its constructor leaves open what can be given: an option without a default,
            or without a type that a command line and a settings file can give.
    """
    name, parameters = kind.__name__, list(inspect.signature(kind.__init__).parameters.values())
    if len(parameters) < 2 or parameters[1].kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        raise TypeError(f"the constructor of {name} must take the cardinalities first")
    options = parameters[2:]
    for option in options:
        if option.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            raise TypeError(f"the constructor of {name} must name its options, got {option}")
        if option.default is inspect.Parameter.empty:
            raise TypeError(f"option {option.name!r} of {name} must have a default")
    hints, helps = _hints(kind, options), _argument_helps(inspect.getdoc(kind) or "")
    fields = []
    for option in options:
        if not _can_be_given(hints.get(option.name)):
            raise TypeError(
                f"option {option.name!r} of {name} must be annotated as int, float, str, bool, "
                f"a Sequence of one of them, or as one of these or None, got {_spelt(option)}"
            )
        default = tuple(option.default) if isinstance(option.default, list) else option.default
        metadata = {"help": helps.get(option.name, ""), "choices": ()}
        field = dataclasses.field(default=default, metadata=metadata)
        fields.append((option.name, hints[option.name], field))
    made = dataclasses.make_dataclass(f"{name}Options", fields, frozen=True)
    try:
        check_types(made())
    except TypeError as error:
        raise TypeError(f"a default of {name} is of another type: {error}") from error
    return made


def _hints(kind: type[CTRModel], options: Sequence[inspect.Parameter]) -> dict[str, Any]:
    """Return the types of the options alone: others may stand for what is imported elsewhere."""
    holder = types.SimpleNamespace(
        __annotations__={
            option.name: option.annotation
            for option in options
            if option.annotation is not inspect.Parameter.empty
        }
    )
    constructor = inspect.unwrap(kind.__init__)
    try:
        return typing.get_type_hints(holder, getattr(constructor, "__globals__", {}))
    except NameError as error:
        message = f"an option of {kind.__name__} has a type that is not defined: {error}"
        raise TypeError(message) from error


def _can_be_given(kind: Any) -> bool:
    plain = [member for member in members(kind) if member is not type(None)]
    if plain == [bool]:
        return True
    inner = [
        typing.get_args(member)[0] if typing.get_origin(member) in SEQUENCES else member
        for member in plain
    ]
    return bool(inner) and all(member in _SCALARS for member in inner)


def _spelt(option: inspect.Parameter) -> str:
    return "nothing" if option.annotation is option.empty else shown(option.annotation)


def _argument_helps(docstring: str) -> dict[str, str]:
    """Return the texts of the ``Args:`` part of a docstring, by argument."""
    part = re.search(r"^Args:\n((?:[ ]{4}.*\n?)+)", docstring, flags=re.MULTILINE)
    entries = re.findall(
        r"^[ ]{4}(\w+): (.*(?:\n[ ]{8}.*)*)", part.group(1) if part else "", flags=re.MULTILINE
    )
    return {name: " ".join(text.split()).rstrip(".") for name, text in entries}
