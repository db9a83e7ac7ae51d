"""``python -m ctrkit`` is the command ``ctrkit``: one process, its signals and its streams.

Little is imported before signals are handled, so that an early Ctrl-C, while PyTorch is imported,
ends the command without a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

_INTERRUPTED = 128


class Stopped(KeyboardInterrupt):
    """A signal came: unfinished files are removed.

    Args:
        signal_number: which one.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


def command() -> NoReturn:
    """Run the command line of this process, and exit with its status."""
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
        # Python flushes it again at exit, and would report the error twice.
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
    """Show errors of destructors as usual, but no signal that came while one ran."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _open_streams() -> None:
    """Open closed streams, or the next file would get their number; make messages lossy."""
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
