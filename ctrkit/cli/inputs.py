"""Inputs that several commands take: a prepared folder or raw files."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctrkit.cli.arguments import add_options
from ctrkit.cli.progress import PrepareBar
from ctrkit.data import PrepareConfig, PreparedData, load, prepare


def add_raw_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what raw files are and how they are divided."""
    group = parser.add_argument_group("raw files")
    group.add_argument("--schema", type=Path, metavar="FILE", help="schema.toml, for your own log")
    group.add_argument("--valid", type=Path, nargs="+", metavar="FILE", help="validation rows")
    group.add_argument("--test", type=Path, nargs="+", metavar="FILE", help="test rows")
    add_options(parser, "preparing raw files", PrepareConfig)


def prepare_from(
    arguments: argparse.Namespace, config: PrepareConfig, files: list[Path], out: Path
) -> PreparedData:
    """Prepare raw files as the command line says, under a bar."""
    with PrepareBar() as bar:
        return prepare(
            files,
            out=out,
            schema=arguments.schema,
            valid=arguments.valid,
            test=arguments.test,
            progress=bar,
            **vars(config),
        )


def prepared_or_raw(
    arguments: argparse.Namespace, config: PrepareConfig, out: Path
) -> PreparedData:
    """Open the prepared folder that was given, or prepare the raw files into `out`."""
    inputs: list[Path] = arguments.inputs
    if len(inputs) == 1 and inputs[0].is_dir():
        return load(inputs[0])
    return prepare_from(arguments, config, inputs, out)
