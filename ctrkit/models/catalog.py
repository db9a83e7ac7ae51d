"""`MODELS`, the one table from a model's name to its class, and how a model is built from it."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ctrkit.fields import Cardinalities
from ctrkit.models.autoint import AutoIntPlus
from ctrkit.models.base import CTRModel
from ctrkit.models.cin import CIN
from ctrkit.models.crossnet import CrossNet
from ctrkit.models.dagfm import DAGFM, DAGFMPlus
from ctrkit.models.dcnv2 import DCNv2
from ctrkit.models.eulernet import EulerNet
from ctrkit.models.xdeepfm import xDeepFM
from ctrkit.options import check_choice, from_mapping

MODELS: dict[str, type[CTRModel]] = {
    "autoint_plus": AutoIntPlus,
    "cin": CIN,
    "crossnet": CrossNet,
    "dagfm": DAGFM,
    "dagfm_plus": DAGFMPlus,
    "dcnv2": DCNv2,
    "eulernet": EulerNet,
    "xdeepfm": xDeepFM,
}


@cache
def model_options(name: str) -> type:
    """Return the options of a model as a dataclass, for the command line and settings files.

    They are the keywords of its constructor; the help texts are those of its docstring.

    Raises:
        ValueError: if there is no such model.
    """
    check_choice("model", name, MODELS)
    model = MODELS[name]
    hints = typing.get_type_hints(model.__init__)
    helps = _argument_helps(inspect.getdoc(model) or "")
    options = [
        (
            parameter.name,
            hints[parameter.name],
            dataclasses.field(
                default=parameter.default,
                metadata={"help": helps.get(parameter.name, ""), "choices": ()},
            ),
        )
        for parameter in inspect.signature(model).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    return dataclasses.make_dataclass(f"{model.__name__}Options", options, frozen=True)


def build_model(
    name: str, cardinalities: Cardinalities, options: Mapping[str, Any], *, where: str
) -> CTRModel:
    """Return a new model of `MODELS`.

    Args:
        name: a key of `MODELS`.
        cardinalities: fields of the data, in column order.
        options: keywords of the model, checked by name and type.
        where: where the options came from, for messages.

    Raises:
        ValueError: if the model or an option is unknown, or the model refuses a value.
        TypeError: if an option has the wrong type.
    """
    checked = _checked(name, options, where)
    return MODELS[name](cardinalities, **checked)


def blueprint(
    name: str, cardinalities: Cardinalities, options: Mapping[str, Any], *, where: str
) -> CTRModel:
    """Return what `build_model` would, without its numbers: names, shapes and types of weights.

    It takes no memory worth mentioning, however large the model.

    Raises:
        ValueError: as `build_model`, and if a weight has more numbers than can be counted.
        TypeError: if an option has the wrong type.
    """
    checked = _checked(name, options, where)
    try:
        with torch.device("meta"), _NothingDrawn():
            return MODELS[name](cardinalities, **checked)
    except (RuntimeError, OverflowError, TypeError) as error:  # torch's, for numbers beyond int64
        raise ValueError(
            f"{where}: the model must fit a machine, but its sizes are too large; reduce them"
        ) from error


class _NothingDrawn(TorchFunctionMode):
    """Stands in for what PyTorch's compiler does on the device "meta"; its import takes seconds.

    There is nothing to draw into a tensor without numbers; of positions only their number matters,
    and of what is computed of one tensor its shape.
    """

    SAME_SHAPE = frozenset(
        {"normal_", "uniform_", "kaiming_uniform_", "randn_like", "eye", "add", "mul", "div"}
    )

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the tensor that would be filled, or what any other function returns."""
        given = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in self.SAME_SHAPE:
            tensors = [*args, given.get("tensor"), given.get("out")]
            return next(tensor for tensor in tensors if isinstance(tensor, torch.Tensor))
        if name == "triu_indices":
            return torch.empty(2, args[0] * (args[0] + 1) // 2, dtype=torch.int64)
        return func(*args, **given)


def _checked(name: str, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    checked: Any = from_mapping(model_options(name), options, where=where)
    return {key: getattr(checked, key) for key in options}


def _argument_helps(docstring: str) -> dict[str, str]:
    """Return the texts of the ``Args:`` part of a docstring, by argument."""
    part = re.search(r"^Args:\n((?:[ ]{4}.*\n?)+)", docstring, flags=re.MULTILINE)
    entries = re.findall(
        r"^[ ]{4}(\w+): (.*(?:\n[ ]{8}.*)*)", part.group(1) if part else "", flags=re.MULTILINE
    )
    return {name: " ".join(text.split()).rstrip(".") for name, text in entries}
