"""``--baseline``: what a model is compared with; and what the figures of a run suggest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ctrkit.cli.console import say
from ctrkit.runs import Hint


def add_baseline(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--baseline",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare with a logistic regression on the same rows (default: true)",
    )


def say_hints(found: Sequence[Hint]) -> None:
    """Say what the figures of a run suggest, a line each."""
    for hint in found:
        say(f"hint: {hint.text}")
