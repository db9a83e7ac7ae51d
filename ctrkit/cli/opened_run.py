"""The finished run that a command opens, and the options that say how."""

from __future__ import annotations

import argparse

from ctrkit.cli.inputs import add_check_space
from ctrkit.cli.own_code import add_allow_code, allowed_models
from ctrkit.cli.paths import path
from ctrkit.runs import Run


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the run, the first argument of the command."""
    parser.add_argument("run", type=path, metavar="RUN", help="folder that train wrote")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `open_run`."""
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda ...")
    add_allow_code(parser)
    add_check_space(parser)


def open_run(arguments: argparse.Namespace) -> Run:
    """Open the run as the command line says; see `Run`."""
    return Run(
        arguments.run,
        device=arguments.device,
        check_space=arguments.check_space,
        models=allowed_models(arguments),
    )
