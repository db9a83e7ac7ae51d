"""``python -m ctrkit`` is the command ``ctrkit``: one process, its signals and its streams.

Little is imported before signals are answered, so that Ctrl-C in the first moment, while PyTorch
is read from the disk, ends the command without a word of where it was.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

_INTERRUPTED = 128


class Stopped(KeyboardInterrupt):
    """A signal came: what is half done is cleared away.

    Args:
        signal_number: which one.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


def command() -> NoReturn:
    """Run the command line of this process, and leave with its status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and & have it
            signal.signal(number, _leave_at_once)
    _open_streams()
    sys.unraisablehook = _say_nothing_of_signals
    from ctrkit.cli import main, say

    status = 1
    try:
        status = main(before_work=_stop_by_exception)
    except SystemExit as error:  # of the parser, which has said why
        status = error.code if isinstance(error.code, int) else 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
    try:
        sys.stdout.flush()
    except OSError as error:
        if status == 0:
            say(f"ctrkit: error: cannot write to standard output: {error.strerror}")
            status = 1
        # Python flushes it once more at its end, and would say so again.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.exit(status)


def _leave_at_once(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    try:
        os.write(2, b"ctrkit: interrupted\n")
    finally:
        os._exit(_INTERRUPTED + number)


def _stop_by_exception() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _leave_at_once:
            signal.signal(number, _raise)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise Stopped(number)


def _say_nothing_of_signals(unraisable: Any) -> None:
    """Show an error in a destructor as usual, but not that a signal came while it ran."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _open_streams() -> None:
    """Open what is closed, or the next file would get its number; make messages lossy."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    from ctrkit.cli import closed, lossy

    if sys.stdout is None:
        sys.stdout = closed()
    for stream in (sys.stdout, sys.__stdout__):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = lossy(2, getattr(sys.stderr, "encoding", "utf-8"))


if __name__ == "__main__":
    command()
