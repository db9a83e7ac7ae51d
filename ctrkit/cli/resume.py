"""``--resume``: continue an interrupted run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctrkit.cli.console import say
from ctrkit.cli.inputs import to_plain
from ctrkit.runs import CONFIG, is_finished, read_json, remove_remains
from ctrkit.training import CHECKPOINT_OPTIONS


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue from the last checkpoint in RUN, if there is one",
    )


def says_finished(out: Path, asked: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a folder holds a finished run, and say so if it does.

    Args:
        out: the run's folder.
        asked: options given on the command line, by section of ``config.json``.

    Raises:
        ValueError: if the finished run has other options.
    """
    if not is_finished(out):
        return False
    had = read_json(out, CONFIG)
    for section, options in asked.items():
        for name, value in options.items():
            theirs = had.get(section, {}).get(name)
            if (
                name not in (*CHECKPOINT_OPTIONS, "device")
                and theirs is not None
                and theirs != to_plain(value)
            ):
                raise ValueError(
                    f"{out} is finished already, with {name} {theirs!r}, not {value!r}; "
                    "give a new folder, or start over with --force"
                )
    remove_remains(out)
    say(f"{out} is finished already: nothing to resume")
    return True
