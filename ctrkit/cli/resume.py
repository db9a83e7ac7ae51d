"""``--resume``: go on with a run that was interrupted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ctrkit.serving.folder import CONFIG, METRICS


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint in RUN, where an interrupted run has left one",
    )


def is_finished(out: Path) -> bool:
    """Return whether a folder holds a finished run, and say so if it does."""
    if not (out / METRICS).exists() or not (out / CONFIG).exists():
        return False
    print(f"{out} is finished already: nothing to resume", file=sys.stderr)
    return True
