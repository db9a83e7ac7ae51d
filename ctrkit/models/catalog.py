"""`MODELS`, the table of names and classes, and how a model is built from a name and options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ctrkit.fields import Cardinalities
from ctrkit.models.autoint import AutoIntPlus
from ctrkit.models.base import CTRModel, checked_model
from ctrkit.models.cin import CIN
from ctrkit.models.crossnet import CrossNet
from ctrkit.models.dagfm import DAGFM, DAGFMPlus
from ctrkit.models.dcnv2 import DCNv2
from ctrkit.models.eulernet import EulerNet
from ctrkit.models.keywords import options_of
from ctrkit.models.without_numbers import NothingFilled
from ctrkit.models.xdeepfm import xDeepFM
from ctrkit.options import from_mapping, shown, suggest

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


def class_of(model: str | type[CTRModel]) -> type[CTRModel]:
    """Return the class of a named model; a class is returned as it is.

    Raises:
        ValueError: if there is no such model.
        TypeError: if it is no class of a model.
    """
    if not isinstance(model, str):
        return checked_model(model)
    if model not in MODELS:
        hint = suggest(model, MODELS)
        if ":" in model:
            hint = "; hand over the class itself, for one of your own"
        raise ValueError(f"unknown model {shown(model)}{hint}")
    return MODELS[model]


def name_of(model: str | type[CTRModel]) -> str:
    """Return the name that a run records: a key of `MODELS`, or ``module:Class``."""
    kind = class_of(model)
    own = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, known in MODELS.items() if known is kind), own)


def class_named(name: str, own: Iterable[type[CTRModel]], *, where: str) -> type[CTRModel]:
    """Return the class that a file names: one of `MODELS`, or of those that were handed over.

    A class that moved to another module is found by its own name. Nothing is ever imported.

    Args:
        name: as `name_of` gives it.
        own: classes of the caller's own.
        where: the file that names it, for messages.

    Raises:
        ValueError: if there is none.
        TypeError: if something else than classes of models was handed over.
    """
    classes = {name_of(kind): kind for kind in map(checked_model, own)}
    if name in classes:
        return classes[name]
    if ":" not in name:
        try:
            return class_of(name)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    called = name.rpartition(":")[2]
    found = [kind for kind in classes.values() if kind.__qualname__ == called]
    if found:
        return found[0]
    got = f", got {', '.join(classes)}" if classes else ""
    raise ValueError(
        f"{where} names the model {shown(name)}, which is none of ctrkit's; no code is loaded "
        f"because a file names it. If it is yours, give --allow-code {shown(name)[1:-1]}, or in "
        f"Python Run(folder, models=[{shown(called)[1:-1]}]){got}"
    )


def model_options(model: str | type[CTRModel]) -> type:
    """Return the options of a model as a dataclass, for the command line and settings files.

    They are the keywords of its constructor; the help texts are those of its docstring.

    Raises:
        ValueError: if there is no such model.
        TypeError: if it is no class of a model, or an option has no type or default.
    """
    return options_of(class_of(model))  # type: ignore[arg-type]  # a class has a hash


def build_model(
    model: str | type[CTRModel],
    cardinalities: Cardinalities,
    options: Mapping[str, Any],
    *,
    where: str,
) -> CTRModel:
    """Return a new model.

    Args:
        model: a key of `MODELS`, or a class of your own.
        cardinalities: fields of the data, in column order.
        options: keywords of the model, checked by name and type.
        where: where the options came from, for messages.

    Raises:
        ValueError: if the model or an option is unknown, or the model refuses a value.
        TypeError: if an option has the wrong type.
    """
    return class_of(model)(cardinalities, **_checked(model, options, where))


def blueprint(
    model: str | type[CTRModel],
    cardinalities: Cardinalities,
    options: Mapping[str, Any],
    *,
    where: str,
) -> CTRModel:
    """Return what `build_model` would, without its numbers: names, shapes and types of weights.

    It takes almost no memory, however large the model is.

    Raises:
        ValueError: as `build_model`, and if a weight has more numbers than can be counted.
        TypeError: if an option has the wrong type.
    """
    kind, checked = class_of(model), _checked(model, options, where)
    try:
        with torch.device("meta"), NothingFilled():
            return kind(cardinalities, **checked).to("meta")
    except ValueError:
        raise
    except Exception as error:
        if kind not in MODELS.values():
            what = (
                f"{kind.__name__} must be made on torch.device('meta'), to learn its sizes, but "
                "its constructor fails there, --traceback shows where"
            )
            raise ValueError(f"{where}: {what}: {type(error).__name__}: {error}") from error
        if not isinstance(error, (RuntimeError, OverflowError, TypeError)):
            raise
        # PyTorch's, for numbers beyond int64.
        what = "the model must fit a machine, but its sizes are too large; reduce them"
        raise ValueError(f"{where}: {what}") from error


def _checked(model: str | type[CTRModel], options: Mapping[str, Any], where: str) -> dict[str, Any]:
    checked: Any = from_mapping(model_options(model), options, where=where)
    return {key: getattr(checked, key) for key in options}
