"""Timing that can be trusted: pairs in turn (A B A B ...), medians, ratios pair by pair."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.side import Side, Work

RESULTS = Path(__file__).parent / "results"


def add_threads(parser: argparse.ArgumentParser, *, default: int = 1) -> None:
    """Add the option that `begin` reads."""
    parser.add_argument("--threads", type=int, default=default, help="threads of PyTorch")


def add_common(parser: argparse.ArgumentParser, *, repeats: int = 5) -> None:
    """Add the options that every comparison has."""
    add_threads(parser)
    parser.add_argument("--repeats", type=int, default=repeats, help="pairs that count")


def begin(arguments: argparse.Namespace) -> None:
    """Set the threads and say on what machine the figures are made."""
    torch.set_num_threads(arguments.threads)
    print(machine(), flush=True)


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of repeated measurements."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(min(values), statistics.median(values), max(values))

    def inverse(self) -> Spread:
        """Return the spread of ``1 / value``."""
        return Spread(1 / self.high, 1 / self.median, 1 / self.low)


@dataclass(frozen=True)
class ComparedModel:
    """What was found: units of work per CPU second of either side, and their ratio."""

    name: str
    unit: str
    ours: Spread
    reference: Spread
    ratio: Spread
    repeats: int
    details: dict[str, Any] = field(default_factory=dict)


def compare(
    name: str,
    unit: str,
    amount: float,
    ours: Callable[[], Any],
    reference: Callable[[], Any],
    *,
    repeats: int = 5,
    details: Mapping[str, Any] | None = None,
) -> ComparedModel:
    """Run two ways of the same work in turn, in this process, and compare them.

    Args:
        name: what is measured.
        unit: of the work, for example ``"rows"``.
        amount: units of work in one call.
        ours: the code of ctrkit.
        reference: the plain way.
        repeats: pairs counted, after one that is not.
        details: what else to keep with the result.
    """

    def seconds_of(work: Callable[[], Any]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    seconds = [(seconds_of(ours), seconds_of(reference)) for _ in range(repeats + 1)][1:]
    return _found(name, unit, amount, seconds, details or {})


def compare_apart(
    name: str,
    unit: str,
    amount: float,
    ours: Work,
    reference: Work,
    *,
    threads: int = 1,
    reference_threads: int | None = None,
    clock: str = "cpu",
    repeats: int = 5,
    details: Mapping[str, Any] | None = None,
) -> ComparedModel:
    """Like `compare`, with either side in a process of its own.

    So neither finds its memory arranged by the other, and the peak of each is its own. A side
    whose call takes less than a fifth of a second makes as many calls as fill it.

    Args:
        name: what is measured.
        unit: of the work, for example ``"rows"``.
        amount: units of work in one call.
        ours: the code of ctrkit.
        reference: the other way.
        threads: threads of PyTorch.
        reference_threads: those of the other way, if others.
        clock: ``"cpu"``, or ``"wall"`` where several threads are what is measured.
        repeats: pairs counted, after one that is not.
        details: what else to keep with the result.
    """
    with (
        Side(ours, threads) as our_side,
        Side(reference, reference_threads or threads) as other_side,
    ):
        sides = (our_side, other_side)
        counts = [max(1, round(0.2 / side.run(1, clock=clock))) for side in sides]
        seconds = []
        for _ in range(repeats):
            first, second = (
                side.run(count, clock=clock) / count
                for side, count in zip(sides, counts, strict=True)
            )
            seconds.append((first, second))
        measured = {
            "threads": threads,
            "peak_bytes": our_side.peak_bytes(),
            "reference_peak_bytes": other_side.peak_bytes(),
        }
    return _found(name, unit, amount, seconds, {**(details or {}), **measured})


def _found(
    name: str,
    unit: str,
    amount: float,
    seconds: list[tuple[float, float]],
    details: Mapping[str, Any],
) -> ComparedModel:
    found = ComparedModel(
        name,
        unit,
        ours=Spread.of([amount / a for a, _ in seconds]),
        reference=Spread.of([amount / b for _, b in seconds]),
        ratio=Spread.of([b / a for a, b in seconds]),
        repeats=len(seconds),
        details=dict(details),
    )
    print(
        f"{found.name:<48} {found.ours.median:>12,.0f} {found.unit}/s"
        f"   {found.ratio.median:6.2f} times the other way"
        f" ({found.ratio.low:.2f} to {found.ratio.high:.2f}, {found.repeats} pairs)",
        flush=True,
    )
    return found


LAUNCH = """
import json, resource, subprocess, sys
told = json.loads(subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE).stdout)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
told |= {"peak_bytes": used.ru_maxrss * 1024, "read_bytes": used.ru_inblock * 512}
print(json.dumps(told))
"""
"""Runs a command and tells its peak, from a small process: a large parent's memory would count."""


def measured(*words: object) -> dict[str, float]:
    """Run Python code that prints figures as JSON, in a process of its own.

    Args:
        words: of Python's command line: ``-m``, a module, its words; or ``-c``, code, its words.

    Returns:
        Its figures, its peak of resident bytes, and the bytes that it read from a disk.
    """
    command = [sys.executable, *map(str, words)]
    launched = [sys.executable, "-c", LAUNCH, *command]
    done = subprocess.run(launched, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def machine() -> dict[str, Any]:
    """Return what a figure must be read with: processor, threads, versions, commit."""
    model = "unknown"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "commit": commit,
    }


def save(name: str, results: list[Any], **conditions: Any) -> None:
    """Write results with machine and conditions to ``benchmarks/results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    plain = [
        asdict(result) if hasattr(result, "__dataclass_fields__") else result for result in results
    ]
    content = {"machine": machine(), **conditions, "results": plain}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
