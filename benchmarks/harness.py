"""Timing that can be trusted: pairs in turn (A B A B ...), medians, ratios pair by pair."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of repeated measurements."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: units of work per CPU second of either, and their ratio."""

    name: str
    unit: str
    ours: Spread
    reference: Spread
    ratio: Spread
    repeats: int


def compare(
    name: str,
    unit: str,
    amount: float,
    ours: Callable[[], Any],
    reference: Callable[[], Any],
    *,
    repeats: int = 5,
) -> Comparison:
    """Run two ways of the same work in turn and compare them.

    Args:
        name: what is measured.
        unit: of the work, for example ``"rows"``.
        amount: units of work in one call.
        ours: the code of ctrkit.
        reference: the plain way.
        repeats: pairs counted, after one that is not.
    """
    rates: dict[str, list[float]] = {"ours": [], "reference": []}
    for repeat in range(repeats + 1):
        for side, work in (("ours", ours), ("reference", reference)):
            began = time.process_time()
            work()
            seconds = time.process_time() - began
            if repeat:
                rates[side].append(amount / seconds)
    ratios = [a / b for a, b in zip(rates["ours"], rates["reference"], strict=True)]
    found = Comparison(
        name,
        unit,
        Spread.of(rates["ours"]),
        Spread.of(rates["reference"]),
        Spread.of(ratios),
        repeats,
    )
    show(found)
    return found


def show(found: Comparison) -> None:
    """Print one comparison."""
    print(
        f"{found.name:<44} {found.ours.median:>12,.0f} {found.unit}/s"
        f"   {found.ratio.median:5.2f} times the plain way"
        f" ({found.ratio.low:.2f} to {found.ratio.high:.2f}, {found.repeats} pairs)",
        flush=True,
    )


LAUNCH = """
import json, resource, subprocess, sys
told = json.loads(subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE).stdout)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
told |= {"peak_bytes": used.ru_maxrss * 1024, "read_bytes": used.ru_inblock * 512}
print(json.dumps(told))
"""
"""Runs a command and tells its peak, from a small process: a large parent's memory would count."""


def measured(module: str, *words: object) -> dict[str, float]:
    """Run a module that prints figures as JSON, in a process of its own.

    Returns:
        Its figures, its peak of resident bytes, and the bytes that it read from a disk.
    """
    command = [sys.executable, "-m", module, *map(str, words)]
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
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": commit,
    }


def save(name: str, results: list[Any]) -> None:
    """Write results with their machine to ``benchmarks/results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    plain = [
        asdict(result) if hasattr(result, "__dataclass_fields__") else result for result in results
    ]
    content = {"machine": machine(), "results": plain}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
