"""Peak memory of `prepare` with millions of categories, by the formula of docs/memory.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import machine, measured, save
from ctrkit.data import Field, Schema, prepare

FITTED_BYTES = 100
"""Per category, while its vocabulary is fitted; texts of more than 8 bytes come twice on top."""

FEW = 1000
SHORT, LONG = (
    "{:08x}",
    "https://www.example.com/a/long/path/of/an/item/{:08x}/index.html?session={:08x}",
)


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=3_000_000, help="rows, all of other categories")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")


def run(arguments: argparse.Namespace) -> None:
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="ctrkit-bench-", dir=arguments.folder) as folder:
        log = Path(folder) / "log.csv"
        found = [compared(log, arguments.rows, text) for text in (SHORT, LONG)]
    save("vocabularies", found)


def compared(log: Path, rows: int, text: str) -> dict[str, Any]:
    """Prepare as many categories as rows, less the same with few."""
    few, many = (peak(log, rows, categories, text) for categories in (FEW, rows))
    length = len(text.format(0, 0))
    predicted = rows * (FITTED_BYTES + 2 * length * (length > 8))
    print(
        f"{rows:,} categories of {length} bytes: formula {predicted / 2**20:,.0f} MiB, measured "
        f"{(many - few) / 2**20:,.0f} MiB, peak of the process {many / 2**20:,.0f} MiB"
    )
    return {
        "categories": rows,
        "text_bytes": length,
        "formula_bytes": predicted,
        "more_bytes": many - few,
        "peak_bytes": many,
    }


def peak(log: Path, rows: int, categories: int, text: str) -> float:
    """Return the peak of a process that prepares a log of one column."""
    with log.open("w", encoding="ascii") as file:
        file.write("item,label\n")
        for row in range(rows):
            number = row * 2_654_435_761 % 2**32 % categories if categories < rows else row
            file.write(f"{text.format(number, number)},{row % 2}\n")
    return measured("-m", "benchmarks.vocabularies", log)["peak_bytes"]


if __name__ == "__main__":  # the process that `peak` measures
    prepare(
        sys.argv[1],
        schema=Schema([Field("item")]),
        fractions=(1.0, 0.0, 0.0),
        num_workers=2,
        check_space=False,
    )
    print(json.dumps({}))
