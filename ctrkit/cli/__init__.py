"""The command ``ctrkit``: one file per command; only here is argv read and anything printed."""

from ctrkit.cli.console import say
from ctrkit.cli.entry import COMMANDS, main, make_parser
from ctrkit.cli.streams import closed, lossy

__all__ = [
    "main",
]
