"""Ctrl-C and SIGTERM, handled where work can stop without loss."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Work stopped on a signal, and can resume from what it has saved.

    Args:
        message: what was saved, and where.
        signal_number: the signal; 128 more is the usual exit status.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class Interruption:
    """Notes a signal while entered, so that a loop can check for it where it can stop.

    A second signal raises ``KeyboardInterrupt`` at once, as Python itself does for the first. Does
    nothing outside the main thread, which alone gets signals.

    Attributes:
        signal_number: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._raises = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal raise ``KeyboardInterrupt`` wherever it comes in a block.

        For long work that changes nothing, so that nobody has to wait.
        """
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        is_second = self.signal_number is not None
        self.signal_number = number
        if is_second or self._raises:
            raise KeyboardInterrupt
