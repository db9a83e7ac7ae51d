"""``ctrkit schema``: the guessed schema of a log, as TOML to correct."""

from __future__ import annotations

import argparse

from ctrkit.cli.arguments import add_options, collect
from ctrkit.cli.console import say, show
from ctrkit.cli.paths import path
from ctrkit.data import SchemaGuess, SourceConfig, built_in_schema, guess_schema


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "input", type=path, nargs="?", metavar="FILE", help="raw log, .gz or not (see --format)"
    )
    add_options(parser, "raw files", SourceConfig)


def run(arguments: argparse.Namespace) -> None:
    """Show the schema, and say what it leaves out."""
    config = collect({"raw": SourceConfig}, arguments, {})["raw"]
    guess = _guess(arguments, config)
    show(guess.to_toml().rstrip("\n"))
    for column in guess.left_out():
        say(f"left out: {column}")


def _guess(arguments: argparse.Namespace, config: SourceConfig) -> SchemaGuess:
    """Return what the file shows; without a file, the schema of a known log.

    Raises:
        ValueError: if there is neither a file nor a known log.
    """
    if arguments.input is not None:
        return guess_schema(
            arguments.input,
            format=config.format,
            label=config.label,
            positive=config.positive,
            skip=config.bad_rows != "error",
        )
    try:
        known = built_in_schema(config.format or "")
    except ValueError:
        message = "FILE must name a raw log, or --format a known one (criteo, avazu)"
        raise ValueError(message) from None
    return SchemaGuess(known.with_label(config.label, config.positive))
