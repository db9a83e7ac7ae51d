"""Start a command, kill it at a moment, look at what it left, let it go on, compare."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ctrkit.files.atomic import final_name

POLL_SECONDS = 0.002
LONGEST_SECONDS = 300
TWICE = 0.2
"""Share of the cases in which the run that goes on is killed as well."""

OUT = "out"
"""Folder of a case in which the command writes; what it reads lies elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command under test; each function takes the folder of a case.

    Args:
        name: of the command.
        words: its words, for a first run.
        again: its words, for a run after a kill.
        result: all that must be the same, by name; empty where nothing has its final name yet.
        is_whole: whether what is there is the final result.
        phase: where a killed run was, in words.
        check_killed: raises where a file of a killed run could be taken for whole, and is not.
        set_up: puts what the command reads, and also changes, into the folder.
    """

    name: str
    words: Callable[[Path], list[str]]
    again: Callable[[Path], list[str]]
    result: Callable[[Path], dict[str, Any]]
    is_whole: Callable[[Path], bool]
    phase: Callable[[Path], str]
    check_killed: Callable[[Path], None] = lambda folder: None
    set_up: Callable[[Path], None] = lambda folder: None


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed: what came of it, and how long it worked, in seconds."""

    result: dict[str, Any]
    seconds: float


class BrokenPromiseError(AssertionError):
    """What must not happen after a kill."""


def undisturbed(command: Command, folder: Path) -> Whole:
    """Run a command to its end.

    The seconds begin with the first file it makes, so that kills fall into its work and not into
    its imports, and end when the result is whole.
    """
    _new_case(command, folder)
    process, began = _start(command.words(folder), folder)
    while process.poll() is None and not command.is_whole(folder):
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began
    _finish(process, folder)
    return Whole(command.result(folder), seconds)


def survives(command: Command, folder: Path, whole: Whole, moments: list[float]) -> list[str]:
    """Kill a command at each moment, each time in the run that goes on, and let it end then.

    Args:
        command: what is killed.
        folder: new folder for the case.
        whole: the run that nobody disturbed.
        moments: seconds of work before each kill.

    Returns:
        Where each kill fell; there are fewer than moments where a run ended before its kill.

    Raises:
        BrokenPromiseError: if a half result can be seen, the command cannot go on, or what comes
            of it is not the same.
    """
    _new_case(command, folder)
    phases: list[str] = []
    words = command.words(folder)
    for moment in moments:
        process, began = _start(words, folder)
        words = command.again(folder)
        if not _ends_before(process, began + moment):
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            _finish(process, folder)
            continue
        phases.append(command.phase(folder))
        command.check_killed(folder)
        if command.is_whole(folder):
            _compare(command, folder, whole, "killed")
    if phases:
        process, _ = _start(words, folder)
        _finish(process, folder)
    _compare(command, folder, whole, f"resumed after {phases}")
    left = [str(path) for path in folder.rglob("*") if final_name(path.name)]
    if left:
        raise BrokenPromiseError(f"{command.name}: {left} must be gone, killed in {phases}")
    return phases


def killed_often(
    command: Command,
    folder: Path,
    whole: Whole,
    *,
    kills: int,
    seed: str,
    say: Callable[[str], None] = lambda text: None,
) -> Counter[str]:
    """Kill a command so many times, at random moments of its work.

    Args:
        command: what is killed.
        folder: gets a folder for each case, which is removed when the case is done.
        whole: the run that nobody disturbed.
        kills: how many.
        seed: decides the moments.
        say: is told how it goes.

    Returns:
        How many kills fell where.

    Raises:
        BrokenPromiseError: see `survives`.
    """
    draw = random.Random(seed)
    phases: Counter[str] = Counter()
    case = 0
    while phases.total() < kills:
        case += 1
        times = 2 if draw.random() < TWICE and phases.total() + 1 < kills else 1
        moments = [draw.uniform(0, whole.seconds) for _ in range(times)]
        fell = survives(command, folder / str(case), whole, moments)
        shutil.rmtree(folder / str(case))
        phases.update(fell)
        if not fell:  # the machine has less to do than at first, and the moment was too late
            whole = replace(whole, seconds=moments[0])
        say(f"{phases.total()} of {kills} kills: {', '.join(fell) or 'it had ended before'}")
    return phases


def _new_case(command: Command, folder: Path) -> None:
    (folder / OUT).mkdir(parents=True)
    command.set_up(folder)


def _start(words: list[str], folder: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Return the process, and when it changed its first file or ended without."""
    before = _snapshot(folder)
    with (folder / "said.txt").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ctrkit", *words],
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    late = time.monotonic() + LONGEST_SECONDS
    while process.poll() is None and _snapshot(folder) == before and time.monotonic() < late:
        time.sleep(POLL_SECONDS)
    return process, time.monotonic()


def _snapshot(folder: Path) -> frozenset[tuple[str, int]]:
    found = []
    for place, _, names in os.walk(folder / OUT):
        for path in (place, *(os.path.join(place, name) for name in names)):
            try:
                found.append((path, os.stat(path).st_mtime_ns))
            except FileNotFoundError:
                continue  # it has just got its final name
    return frozenset(found)


def _ends_before(process: subprocess.Popen[bytes], moment: float) -> bool:
    try:
        process.wait(max(0.0, moment - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _finish(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.wait(LONGEST_SECONDS) != 0:
        said = (folder / "said.txt").read_text(encoding="utf-8")
        raise BrokenPromiseError(f"{process.args} ended with {process.returncode}:\n{said}")


def _compare(command: Command, folder: Path, whole: Whole, when: str) -> None:
    result = command.result(folder)
    names = sorted(whole.result.keys() | result.keys())
    differing = [name for name in names if result.get(name) != whole.result.get(name)]
    if differing:
        raise BrokenPromiseError(f"{command.name}, {when}: {differing} must be as undisturbed")
