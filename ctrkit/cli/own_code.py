"""Classes of the user's own, ``module:Class``: imported because the command line names them."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ctrkit.models import CTRModel, checked_model, model_options
from ctrkit.options import shown, suggest

_NAMED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def add_allow_code(parser: argparse.ArgumentParser) -> None:
    """Add the option to a command that opens runs."""
    parser.add_argument(
        "--allow-code",
        action="append",
        default=[],
        metavar="MODULE:CLASS",
        help="load a model of your own, for a run that was made with it; may be repeated",
    )


def allowed_models(arguments: argparse.Namespace) -> list[type[CTRModel]]:
    """Return the classes that ``--allow-code`` names.

    Raises:
        ValueError: if one cannot be imported.
        TypeError: if one is no model.
    """
    return [import_model(name, "--allow-code") for name in arguments.allow_code]


def import_model(name: str, flag: str) -> type[CTRModel]:
    """Return a class of the user's own, its module imported from here or from what is installed.

    Args:
        name: ``module:Class``.
        flag: where it was given, for messages.

    Raises:
        ValueError: if there is no such module or class, or the module fails.
        TypeError: if it is no model, or one whose options cannot be given on a command line.
    """
    if not _NAMED.fullmatch(name):
        raise ValueError(f"{flag} must be module:Class, such as my_models:FM, got {shown(name)}")
    module_name, _, class_name = name.partition(":")
    module = _imported(module_name, flag)
    found: Any = module
    for part in class_name.split("."):
        found = getattr(found, part, None)
    if found is None:
        models = [key for key, value in vars(module).items() if _is_own_model(value)]
        hint = suggest(class_name, models) if models else ""
        raise ValueError(f"{flag}: module {module_name} has no class {class_name}{hint}")
    try:
        kind = checked_model(found)
        model_options(kind)
    except TypeError as error:
        raise TypeError(f"{flag} {name}: {error}") from error
    return kind


def _is_own_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, CTRModel) and value is not CTRModel


def _imported(name: str, flag: str) -> ModuleType:
    """Import a module; the current folder comes first meanwhile, as for ``python -m``."""
    here = str(Path.cwd())
    is_new = not {here, ""} & set(sys.path)
    if is_new:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{name}.".startswith(f"{missing}."):
            message = f"there is no module {missing}, neither in {here} nor installed"
        else:
            what = f"{type(error).__name__}: {error}"
            message = f"importing {name} fails, --traceback shows where: {what}"
        raise ValueError(f"{flag}: {message}") from error
    finally:
        if is_new:  # for what it imports later, but behind all that is installed
            sys.path.remove(here)
            sys.path.append(here)
