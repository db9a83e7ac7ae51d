"""``--resume``: go on with a run that was interrupted."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctrkit.cli.console import say
from ctrkit.serving.folder import is_finished, remove_remains


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint in RUN, where an interrupted run has left one",
    )


def says_finished(out: Path) -> bool:
    """Return whether a folder holds a finished run, and say so if it does."""
    if not is_finished(out):
        return False
    remove_remains(out)
    say(f"{out} is finished already: nothing to resume")
    return True
