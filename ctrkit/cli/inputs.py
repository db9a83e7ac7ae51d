"""Inputs that several commands take: a prepared folder or raw files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctrkit.cli.arguments import COMMON, NOT_GIVEN, add_options, collect, flag_of, given
from ctrkit.cli.bars import PrepareBar
from ctrkit.cli.console import say
from ctrkit.cli.paths import path
from ctrkit.data import (
    SKIPPED_FILE,
    PrepareConfig,
    PreparedData,
    ReadConfig,
    SchemaGuess,
    SkippedRows,
    load,
    most_bad_rows,
    prepare,
)
from ctrkit.options import shown

PREPARED_WITH = ("split", "fractions", "vocabulary_from", "time_column")
"""Options that ``schema.json`` records, so that they can be compared. The seed trains as well."""


def add_raw_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what raw files are and how they are divided."""
    group = parser.add_argument_group("raw files")
    group.add_argument("--schema", type=path, metavar="FILE", help="schema.toml of your own log")
    group.add_argument("--valid", type=path, nargs="+", metavar="FILE", help="validation rows")
    group.add_argument("--test", type=path, nargs="+", metavar="FILE", help="test rows")
    add_options(parser, "raw files", PrepareConfig, common=COMMON)


def add_check_space(parser: argparse.ArgumentParser) -> None:
    """Add this option of `PrepareConfig` alone."""
    parser.add_argument(
        "--check-space",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="refuse jobs that would not fit in memory (default: true)",
    )


def prepare_from(
    arguments: argparse.Namespace, config: PrepareConfig, files: list[Path], out: Path
) -> PreparedData:
    """Prepare raw files as the command line says, with a bar; say how many rows were skipped."""
    with PrepareBar() as bar:
        data = prepare(
            files,
            out=out,
            schema=arguments.schema,
            valid=arguments.valid,
            test=arguments.test,
            progress=bar,
            on_guess=_tell_guess,
            **vars(config),
        )
    num_rows = sum(len(part) for part in (data.train, data.valid, data.test))
    tell_skipped(data.num_skipped, num_rows, f"they are in {data.path / SKIPPED_FILE}")
    return data


def _tell_guess(guess: SchemaGuess) -> None:
    say(f"guessed the schema: {guess.summary()}; {guess.command} shows it")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options of reading raw files that are not prepared."""
    add_options(parser, "reading raw files", ReadConfig)


def skipping(arguments: argparse.Namespace, path: Path | None = None) -> SkippedRows | None:
    """Return what collects the bad rows of raw files; None if a bad row is an error.

    Args:
        arguments: the parsed command line, see `add_reading`.
        path: file that lists them.
    """
    config = collect({"read": ReadConfig}, arguments, {})["read"]
    if config.bad_rows == "error":
        return None
    return SkippedRows(path, most_bad_rows(config.bad_rows))


def tell_skipped(num_skipped: int, num_good: int, what_more: str) -> None:
    """Say how many rows were skipped, if any."""
    if num_skipped:
        say(
            f"skipped {num_skipped:,} of {num_skipped + num_good:,} rows, which cannot be read; "
            f"{what_more}"
        )


def is_prepared(inputs: list[Path]) -> bool:
    """Return whether the inputs are one folder of prepared data, not raw files."""
    return len(inputs) == 1 and inputs[0].is_dir()


def prepared_or_raw(
    arguments: argparse.Namespace,
    config: PrepareConfig,
    settings: Mapping[str, Any],
    out: Path,
) -> PreparedData:
    """Open the prepared folder that was given, or prepare the raw files into `out`.

    Raises:
        ValueError: if a folder is given together with options for raw files that it was not
            prepared with.
    """
    inputs: list[Path] = arguments.inputs
    if not is_prepared(inputs):
        return prepare_from(arguments, config, inputs, out)
    data = load(inputs[0])
    for name in ("schema", "valid", "test", "bad_rows"):
        if getattr(arguments, name) not in (None, NOT_GIVEN):
            raise ValueError(f"{flag_of(name)} is for raw files, {data.path} is prepared already")
    wanted = {**settings, **given(arguments, PREPARED_WITH)}
    for name in PREPARED_WITH:
        had = data.info["options"].get(name)
        if name in wanted and to_plain(wanted[name]) != had:
            raise ValueError(
                f"{name} must be what {data.path} was prepared with, {shown(had)}, got "
                f"{wanted[name]!r}; prepare the log again"
            )
    return data


def to_plain(value: Any) -> Any:
    """Return tuples as the lists that JSON has."""
    return list(value) if isinstance(value, tuple) else value
