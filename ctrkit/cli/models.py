"""The choice of a model and its options, for the commands that train one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ctrkit.cli.arguments import add_options, given
from ctrkit.machine import choose_device
from ctrkit.models import MODELS, blueprint, model_options
from ctrkit.options import check_choice, option_types
from ctrkit.training import TrainConfig


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all models: the model is not known yet."""
    for name in MODELS:
        add_options(parser, f"model {name}", model_options(name))


def chosen_model(
    arguments: argparse.Namespace,
    settings: Mapping[str, dict[str, Any]],
    flag: str | None,
    default: str,
) -> str:
    """Return the model that the flag names, else that of the settings file (and remove it there).

    Raises:
        ValueError: if there is no such model, or an option was given that it does not have.
    """
    named = settings.get("model", {}).pop("name", default)
    name = named if flag is None else flag
    check_choice("model", name, MODELS)
    own = option_types(model_options(name))
    for other in MODELS:
        for option in given(arguments, option_types(model_options(other))):
            if option not in own:
                written = "--" + option.replace("_", "-")
                raise ValueError(f"{written} is an option of {other}, not of {name}")
    return name


def refuse_early(model: str, options: Mapping[str, Any], train: TrainConfig) -> None:
    """Refuse before the rows are prepared what would otherwise be refused afterwards.

    Raises:
        ValueError: if the device is not there, or the model does not take the values given.
        TypeError: if an option of the model has the wrong type.
    """
    choose_device(train.device)
    blueprint(model, [2, 2], options, where="model options")
