"""Training steps and scoring of large tables, with and without huge pages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import ctrkit.embedding
import ctrkit.training.loop
import ctrkit.training.optimizers.lazy_optimizers
from benchmarks import score, train
from benchmarks.harness import add_common, begin, compare_apart, save
from benchmarks.side import Work

MODEL = "dagfm inner"
"""A step of it is short, so that reading the table is a large part of it."""

ROWS_PER_CALL = 40_960
ASKING = (ctrkit.embedding, ctrkit.training.loop, ctrkit.training.optimizers.lazy_optimizers)


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", nargs="+", type=int, default=[2_000_000, 5_000_000])
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    found = []
    for table_rows in arguments.rows:
        options = {"name": MODEL, "rows": ROWS_PER_CALL, "table_rows": table_rows}
        cases = {"score": (make_scoring, options)}
        for table, size in (("lazy", 1024), ("lazy", 4096), ("dense", 4096)):
            steps = {**options, "table": table, "batch_size": size}
            cases[f"train {table}, batch {size}"] = make_training, steps
        for name, (make, given) in cases.items():
            found.append(
                compare_apart(
                    f"{name}, {table_rows:,} table rows, without",
                    "rows",
                    ROWS_PER_CALL,
                    Work(make, {**given, "huge": True}),
                    Work(make, {**given, "huge": False}),
                    threads=arguments.threads,
                    repeats=arguments.repeats,
                )
            )
    save("huge_pages", found, model=MODEL)


def make_training(*, huge: bool, **options: Any) -> Callable[[], object]:
    _ask_for(huge)
    return train.make_ours(**options)


def make_scoring(*, huge: bool, **options: Any) -> Callable[[], object]:
    _ask_for(huge)
    return score.make_ours(**options)


def _ask_for(huge: bool) -> None:
    if not huge:
        for module in ASKING:
            module.on_huge_pages = lambda tensor: tensor
