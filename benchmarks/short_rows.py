"""Peak memory of preparing and reading the shortest rows: many to a block, and what they become."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.harness import machine, measured, save

MEASURE = """
import json, sys, time
from ctrkit.data import Encoder, Field, Schema, prepare, read_rows
began = time.process_time()
raw, slots, out, what = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
if what == "prepare":
    field = Field("a", "multivalued", max_slots=slots) if slots > 1 else Field("a")
    prepare(raw, schema=Schema([field]), out=out, num_workers=2)
else:
    for _ in read_rows(raw, Encoder.load(out), num_workers=2):
        pass
print(json.dumps({"seconds": time.process_time() - began}))
"""
"""Imports no more than it needs, so that the peak is that of the work alone."""

ROWS = b"0,x\n1,y\n"
"""Two rows of four bytes."""

CASES = {
    "one category": (4_000_000, 1, ROWS),
    "a blank line after two rows": (3_000_000, 1, ROWS + b"\n"),
    "up to 10 categories": (4_000_000, 10, ROWS),
    "up to 100 categories": (4_000_000, 100, ROWS),
    "up to 1,000 categories": (1_000_000, 1000, ROWS),
    "up to 10,000 categories": (100_000, 10_000, ROWS),
}
"""Name -> rows, slots of the one field, and the bytes of two rows."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")


def run(arguments: argparse.Namespace) -> None:
    print(machine(), flush=True)
    found = []
    for name, (rows, slots, two) in CASES.items():
        with tempfile.TemporaryDirectory(prefix="ctrkit-bench-", dir=arguments.folder) as folder:
            raw = Path(folder) / "log.csv"
            raw.write_bytes(b"label,a\n" + two * (rows // 2))
            words = ("-c", MEASURE, raw, slots, Path(folder) / "out")
            figures = {what: measured(*words, what) for what in ("prepare", "read_rows")}
        for what, figure in figures.items():
            peak = figure["peak_bytes"]
            print(
                f"{what:<10} {rows:>10,} rows of {name:<28} {figure['seconds']:6.1f} s of CPU, "
                f"peak {peak / 2**30:.2f} GiB",
                flush=True,
            )
            found.append({"name": name, "what": what, "rows": rows, **figure})
    save("short_rows", found)
