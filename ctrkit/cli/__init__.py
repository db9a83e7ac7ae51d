"""The command ``ctrkit``: one file per command; only here is argv read and anything printed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from importlib import import_module

from ctrkit import __version__
from ctrkit.cli.arguments import Parser
from ctrkit.interruption import Interrupted
from ctrkit.options import suggest

COMMANDS = {
    "prepare": "raw log -> prepared data",
    "train": "prepared data or raw log -> trained model",
    "distill": "a teacher's knowledge -> a small, fast student",
    "evaluate": "score labelled rows and print the metrics",
    "predict": "score raw rows into a CSV file",
    "demo": "the whole story on generated Criteo-format data",
}
"""Commands and what they do; each is a module of this package with ``add_to`` and ``run``."""

MISTAKES = (ValueError, TypeError, OSError, FloatingPointError, ImportError)
"""What a user's input can cause; shown as one line, where other errors show a traceback."""


def make_parser(command: str | None = None) -> Parser:
    """Return the parser; only the options of `command` are made, for the others cost imports."""
    parser = Parser(prog="ctrkit", description="Click-through-rate prediction in pure PyTorch.")
    parser.add_argument("--version", action="version", version=f"ctrkit {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name, purpose in COMMANDS.items():
        sub = commands.add_parser(name, help=purpose, description=purpose)
        if name == command:
            import_module(f"ctrkit.cli.{name}").add_to(sub)
        sub.add_argument("--traceback", action="store_true", help="show where an error arose")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong arguments.

    One that a signal stopped gets 128 more than the signal's number, as is usual.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), None)
    if command is not None and command not in COMMANDS:
        print(
            f"ctrkit: error: unknown command {command!r}{suggest(command, COMMANDS)}",
            file=sys.stderr,
        )
        return 2
    arguments = make_parser(command).parse_args(words)
    arguments.command_line = ["ctrkit", *words]
    try:
        import_module(f"ctrkit.cli.{arguments.command}").run(arguments)
    except MISTAKES as error:
        if arguments.traceback:
            raise
        print(f"ctrkit {arguments.command}: error: {_one_line(error)}", file=sys.stderr)
        return 1
    except Interrupted as error:
        again = [word for word in arguments.command_line if word != "--force"]
        again += [] if "--resume" in again else ["--resume"]
        print(
            f"ctrkit {arguments.command}: {error}; go on with\n  {shlex.join(again)}",
            file=sys.stderr,
        )
        return 128 + error.signal_number
    except KeyboardInterrupt:
        print(f"ctrkit {arguments.command}: interrupted", file=sys.stderr)
        return 130
    return 0


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
