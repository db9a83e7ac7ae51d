"""Raw Criteo rows to prepared data: rows/s and the peak memory of the whole process."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks.harness import Spread, machine, measured, save
from ctrkit.synthetic import generate

MEASURE = """
import json, sys, time
from ctrkit.data import prepare
began = time.perf_counter()
prepare(sys.argv[1], format="criteo", out=sys.argv[2], num_workers=int(sys.argv[3]))
print(json.dumps({"seconds": time.perf_counter() - began}))
"""
"""Imports no more than `prepare` itself does, so that the peak is that of `prepare` alone."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--workers", type=int, default=2, help="threads of prepare")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")


def run(arguments: argparse.Namespace) -> None:
    print(machine(), flush=True)
    results = []
    folder = Path(tempfile.mkdtemp(prefix="ctrkit-bench-", dir=arguments.folder))
    try:
        for rows in arguments.rows:
            raw = folder / f"criteo_{rows}.txt"
            generate(raw, rows=rows, seed=1)
            figures = [
                _measure(raw, folder / "out", arguments.workers) for _ in range(arguments.repeats)
            ]
            rates = Spread.of([rows / figure["seconds"] for figure in figures])
            peak = max(figure["peak_bytes"] for figure in figures)
            print(
                f"prepare {rows:>12,} rows: {rates.median:>10,.0f} rows/s "
                f"({rates.low:,.0f} to {rates.high:,.0f}), peak {peak / 2**30:.2f} GiB",
                flush=True,
            )
            results.append(
                {
                    "rows": rows,
                    "workers": arguments.workers,
                    "rows_per_second": vars(rates),
                    "peak_bytes": peak,
                    "repeats": arguments.repeats,
                }
            )
            raw.unlink()
    finally:
        shutil.rmtree(folder)
    save("prepare", results)


def _measure(raw: Path, out: Path, workers: int) -> dict[str, float]:
    figures = measured("-c", MEASURE, raw, out, workers)
    shutil.rmtree(out)
    return figures
