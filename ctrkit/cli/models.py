"""The choice of a model and its options, for the commands that train one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctrkit.cli.arguments import Parser, add_options, flag_of
from ctrkit.cli.own_code import import_model
from ctrkit.files import load_toml
from ctrkit.machine import choose_device
from ctrkit.models import MODELS, CTRModel, blueprint, class_named, class_of, model_options, name_of
from ctrkit.options import option_types, printable
from ctrkit.runs import CONFIG, read_json
from ctrkit.training import TrainConfig

_ARGUMENTS = ("command", "command_line", "chosen_model")
"""What is noted among the arguments, besides options."""

MODEL_NAMES = f"{', '.join(MODELS)}, or module:Class for your own"


def add_model_options(parser: Parser, flag: str, default: str, note: str = "") -> None:
    """Have the options of the chosen model added as soon as the words are known that choose it.

    Parsing leaves the model's class as ``chosen_model`` among the arguments.

    Args:
        parser: of a command.
        flag: the option that names the model.
        default: the model where neither the flag nor a settings file names one.
        note: ends the message on an option of another model.
    """

    def complete(words: Sequence[str]) -> None:
        model = _chosen(words, flag, default)
        name = printable(name_of(model))
        options = option_types(model_options(model))
        taken = {*_ARGUMENTS, *(action.dest for action in parser._actions)} & options.keys()
        if taken:
            raise TypeError(
                f"option {min(taken)!r} of {name} has the name of an option of {parser.prog}; "
                "give it another"
            )
        add_options(
            parser,
            f"{flag.removeprefix('--')} {name}",
            model_options(model),
            description=f"the options of another model: {parser.prog} {flag} NAME --help",
        )
        parser.set_defaults(chosen_model=model)
        owners: dict[str, list[str]] = {}
        for other in MODELS:
            for option in option_types(model_options(other)):
                owners.setdefault(flag_of(option), []).append(other)
        for written, names in owners.items():
            message = f"{', '.join(names)}, not of {name}; choose the model with {flag}{note}"
            parser.elsewhere[written] = message

    parser.complete = complete


def _chosen(words: Sequence[str], flag: str, default: str) -> type[CTRModel]:
    """Return the model that the words name, or a settings file or run among them."""
    own = [import_model(code, "--allow-code") for code in values_of(words, "--allow-code")]
    for named in values_of(words, flag)[-1:]:
        return import_model(named, flag) if ":" in named else class_of(named)
    for option, read in {"--like": _run_settings, "--config": load_toml}.items():
        for file in values_of(words, option)[-1:]:
            try:
                name = read(Path(file))["model"]["name"]
            except (OSError, ValueError, KeyError, TypeError):
                continue  # what is wrong with it is said when all of it is read
            return class_named(str(name), own, where=f"{option} {file}")
    return class_of(default)


def _run_settings(run: Path) -> dict[str, Any]:
    return read_json(run, CONFIG)


def values_of(words: Sequence[str], flag: str) -> list[str]:
    """Return the values of a flag, before it is known which options there are."""
    values = []
    for word, following in zip(words, [*words[1:], "-"], strict=False):
        if word.startswith(f"{flag}="):
            values.append(word.partition("=")[2])
        elif word == flag and not following.startswith("-"):
            values.append(following)
    return values


def chosen_model(
    arguments: argparse.Namespace, settings: Mapping[str, dict[str, Any]]
) -> type[CTRModel]:
    """Return the model that parsing has chosen, and take its name out of the settings."""
    settings.get("model", {}).pop("name", None)
    model: type[CTRModel] = arguments.chosen_model
    return model


def refuse_early(
    model: str | type[CTRModel], options: Mapping[str, Any], train: TrainConfig
) -> None:
    """Refuse before the rows are prepared what would otherwise be refused afterwards.

    Raises:
        ValueError: if the device is not there, or the model does not take the values given.
        TypeError: if an option of the model has the wrong type.
    """
    choose_device(train.device)
    blueprint(model, [2, 2], options, where="model options")
