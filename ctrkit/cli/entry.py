"""The command line: finds the command, runs it, and turns errors into one line and a status."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from ctrkit import __version__
from ctrkit.cli.arguments import Parser
from ctrkit.cli.console import say
from ctrkit.cli.errors import one_line
from ctrkit.cli.limits import require_addresses
from ctrkit.machine import Interrupted
from ctrkit.options import shown, suggest

COMMANDS = {
    "prepare": "raw log -> prepared data",
    "schema": "raw log -> its guessed schema, as TOML to correct",
    "train": "prepared data or raw log -> trained model",
    "distill": "a teacher's knowledge -> a small, fast student",
    "evaluate": "score labelled rows and print the metrics",
    "predict": "score raw rows into a CSV file",
    "demo": "the whole story on generated Criteo-format data",
}
"""Commands and what they do; each is a module of this package with ``add_to`` and ``run``."""


def make_parser(command: str | None = None) -> Parser:
    """Return the parser, with the options of `command` only: others cost imports."""
    parser = Parser(prog="ctrkit", description="Click-through-rate prediction in pure PyTorch.")
    parser.add_argument("--version", action="version", version=f"ctrkit {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name, purpose in COMMANDS.items():
        sub = commands.add_parser(name, help=purpose, description=purpose)
        if name == command:
            import_module(f"ctrkit.cli.commands.{name}").add_to(sub)
        sub.add_argument("--traceback", action="store_true", help="show where an error arose")
    return parser


def main(
    argv: Sequence[str] | None = None, *, before_work: Callable[[], None] | None = None
) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong arguments.

    A command stopped by a signal returns 128 plus the signal's number.

    Args:
        argv: the words after ``ctrkit``; those of this process if not given.
        before_work: called after the imports and before any work.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), None)
    if command is not None and command not in COMMANDS:
        say(f"ctrkit: error: unknown command {shown(command)}{suggest(command, COMMANDS)}")
        return 2
    name = f"ctrkit {command}" if command else "ctrkit"
    shows_traceback = "--traceback" in words
    try:
        if command not in (None, "prepare", "schema"):  # which do without PyTorch
            require_addresses()
        arguments = make_parser(command).parse_args(words)
        arguments.command_line = ["ctrkit", *words]
        run = import_module(f"ctrkit.cli.commands.{arguments.command}").run
        if before_work is not None:
            before_work()
        run(arguments)
    except Interrupted as error:
        again = [word for word in words if word != "--force"]
        again += [] if "--resume" in again else ["--resume"]
        say(f"{name}: {error}; resume with")
        say(f"  {shlex.join(['ctrkit', *again])}")
        return 128 + error.signal_number
    except KeyboardInterrupt as error:
        say(f"{name}: interrupted")
        return 128 + getattr(error, "signal_number", 2)
    except Exception as error:
        if shows_traceback:
            raise
        say(f"{name}: error: {one_line(error)}")
        return 1
    return 0
