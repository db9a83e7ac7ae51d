"""``ctrkit predict`` on raw Criteo rows: rows/s and the peak memory of the whole process."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Spread, machine, measured, save
from ctrkit.synthetic import generate

MEASURE = """
import json, sys, time
from ctrkit.cli import main
import ctrkit.cli.commands.predict
run, raw, out, workers = sys.argv[1:]
before = time.perf_counter(), time.process_time()
assert main(["predict", run, raw, "--out", out, "--num-workers", workers]) == 0
seconds, cpu_seconds = time.perf_counter() - before[0], time.process_time() - before[1]
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds}))
"""
"""The imports are not timed; the memory they take is counted."""

TRAINED_ROWS = 200_000


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="threads of predict")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")


def run(arguments: argparse.Namespace) -> None:
    print(machine())
    results = []
    folder = Path(tempfile.mkdtemp(prefix="ctrkit-bench-", dir=arguments.folder))
    try:
        _train(folder)
        for rows in arguments.rows:
            raw = folder / f"criteo_{rows}.txt"
            generate(raw, rows=rows, seed=1)
            for workers in arguments.workers:
                words = (folder / "run", raw, folder / "scores.csv", workers)
                figures = [measured("-c", MEASURE, *words) for _ in range(arguments.repeats)]
                results.append(_summary(rows, workers, figures))
            raw.unlink()
    finally:
        shutil.rmtree(folder)
    save("predict", results)


def _train(folder: Path) -> None:
    """Train the student, on few rows: what it has learned does not matter for its speed.

    In a process of its own as well: on Linux, one begins with the peak of that which started it.
    """
    raw = folder / "train.txt"
    generate(raw, rows=TRAINED_ROWS, seed=0)
    words = [str(raw), "--format", "criteo", "--out", str(folder / "run")]
    student = ["--model", "dagfm", "--interaction", "inner", "--embedding-dim", "16"]
    command = [sys.executable, "-m", "ctrkit", "train", *words, *student, "--epochs", "1"]
    subprocess.run(command, capture_output=True, check=True)


def _summary(rows: int, workers: int, figures: list[dict[str, float]]) -> dict[str, object]:
    rates = Spread.of([rows / figure["seconds"] for figure in figures])
    cpu_rates = Spread.of([rows / figure["cpu_seconds"] for figure in figures])
    peak = max(figure["peak_bytes"] for figure in figures)
    print(
        f"predict {rows:>12,} rows, {workers} workers: {rates.median:>10,.0f} rows/s "
        f"({rates.low:,.0f} to {rates.high:,.0f}), {cpu_rates.median:,.0f} rows per CPU second, "
        f"peak {peak / 2**30:.2f} GiB",
        flush=True,
    )
    return {
        "rows": rows,
        "workers": workers,
        "rows_per_second": vars(rates),
        "rows_per_cpu_second": vars(cpu_rates),
        "peak_bytes": peak,
        "repeats": len(figures),
    }
