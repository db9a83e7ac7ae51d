"""Whole training steps of every model, against its plain formula with PyTorch's default Adam."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from benchmarks.harness import Comparison, add_common, begin, compare_apart, save
from benchmarks.plain import plain_interaction
from benchmarks.roofline import measure
from benchmarks.side import Work
from benchmarks.suite import MODELS, STUDENTS, TABLE_ROWS, make_batch, make_model
from ctrkit.models import Batch
from ctrkit.models.cost import cost_of
from ctrkit.training import TrainConfig
from ctrkit.training.compute import full_rate
from ctrkit.training.freed_memory import freed_memory_kept
from ctrkit.training.step import TrainStep

ROWS_PER_CALL = 4096
"""In different batches, so that not always the same table rows are in the cache."""

MOST_CIN_ROWS = 256
"""The plain CIN keeps 2.3 MB for every row."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1024, 4096])
    parser.add_argument("--table-optimizers", nargs="+", default=["dense", "lazy"])
    parser.add_argument("--rows", type=int, default=TABLE_ROWS, help="rows of the table")
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    roofline = measure(arguments.threads)
    cases = [
        (name, MOST_CIN_ROWS if name == "cin" else batch_size, table)
        for name, batch_size, table in itertools.product(
            arguments.models, arguments.batch_sizes, arguments.table_optimizers
        )
    ]
    found = [_against_plain(*case, arguments) for case in dict.fromkeys(cases)]
    found += [_against_teacher(*pair, arguments) for pair in STUDENTS]
    save("train", found, roofline=roofline, table_rows=arguments.rows)


def _against_plain(
    name: str, batch_size: int, table: str, arguments: argparse.Namespace
) -> Comparison:
    options = _options(name, batch_size, arguments)
    plain = Work(make_plain, options)
    return _compare({**options, "table": table}, "the plain way", plain, arguments)


def _against_teacher(student: str, teacher: str, arguments: argparse.Namespace) -> Comparison:
    options = {**_options(teacher, 1024, arguments), "table": "lazy"}
    other = Work(make_ours, options)
    return _compare({**options, "name": student}, f"our {teacher}", other, arguments)


def _options(name: str, batch_size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    rows = ROWS_PER_CALL
    if name == "cin":
        rows = batch_size = MOST_CIN_ROWS
    return {"name": name, "rows": rows, "batch_size": batch_size, "table_rows": arguments.rows}


def _compare(
    options: dict[str, Any], reference: str, other: Work, arguments: argparse.Namespace
) -> Comparison:
    name, batch_size, table = options["name"], options["batch_size"], options["table"]
    return compare_apart(
        f"train {name}, batch {batch_size}, {table}, {reference}",
        "rows",
        options["rows"],
        Work(make_ours, options),
        other,
        threads=arguments.threads,
        repeats=arguments.repeats,
        details={
            "model": name,
            "reference": reference,
            "batch_size": batch_size,
            "table_optimizer": table,
            # Forward, and twice as much backward.
            "flop_per_row": 6 * cost_of(make_model(name)).multiply_adds,
        },
    )


def make_ours(
    name: str, rows: int, batch_size: int, table_rows: int, table: str
) -> Callable[[], None]:
    """Return training steps of ctrkit, as in ``Trainer.fit``."""
    model = make_model(name, table_rows=table_rows)
    step = TrainStep(model, TrainConfig(batch_size=batch_size, table_optimizer=table))
    batches = _batches(rows, batch_size, table_rows)

    def do() -> None:
        with full_rate(step.device), freed_memory_kept():
            for batch in batches:
                step(batch)

    return do


def make_plain(name: str, rows: int, batch_size: int, table_rows: int) -> Callable[[], None]:
    """Return training steps as they are usually written."""
    model = make_model(name, table_rows=table_rows)
    interact = plain_interaction(model)
    adam = torch.optim.Adam(model.parameters())
    batches = _batches(rows, batch_size, table_rows)

    def do() -> None:
        for batch in batches:
            adam.zero_grad()
            logits = interact(model.embedding(batch.ids))
            functional.binary_cross_entropy_with_logits(logits, batch.labels).backward()
            adam.step()

    return do


def _batches(rows: int, batch_size: int, table_rows: int) -> list[Batch]:
    return make_batch(rows, table_rows=table_rows).split(batch_size)
