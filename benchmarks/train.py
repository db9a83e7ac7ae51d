"""Whole training steps of every model, against its plain formula with PyTorch's default Adam."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness import ComparedModel, add_common, begin, compare_apart, save
from benchmarks.plain import plain_interaction
from benchmarks.roofline import measure
from benchmarks.side import Work
from benchmarks.suite import (
    MODELS,
    MOST_CIN_ROWS,
    STUDENTS,
    TABLE_ROWS,
    make_batch,
    make_model,
)
from ctrkit.models import Batch
from ctrkit.models.cost import cost_of
from ctrkit.training import TrainConfig
from ctrkit.training.step import TrainStep

ROWS_PER_CALL = 4096
"""In different batches, so that not always the same table rows are in the cache."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add_steps(parser)


def add_steps(parser: argparse.ArgumentParser) -> None:
    """Add the options of whole training steps."""
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1024, 4096])
    parser.add_argument("--table-optimizers", nargs="+", default=["dense", "lazy"])
    parser.add_argument("--rows", type=int, default=TABLE_ROWS, help="rows of the table")
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    roofline = measure(arguments.threads)
    found = [
        _against_plain(options, table, arguments)
        for name in arguments.models
        for options, table in step_options(name, arguments)
    ]
    found += [_against_teacher(*pair, arguments) for pair in STUDENTS]
    save("train", found, roofline=roofline, table_rows=arguments.rows)


def step_options(name: str, arguments: argparse.Namespace) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the options of a model's steps, and the table's optimizer, for all that is asked."""
    sizes = [MOST_CIN_ROWS] if name == "cin" else arguments.batch_sizes
    for batch_size, table in itertools.product(sizes, arguments.table_optimizers):
        yield _options(name, batch_size, arguments), table


def _options(name: str, batch_size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    rows = MOST_CIN_ROWS if name == "cin" else ROWS_PER_CALL
    return {"name": name, "rows": rows, "batch_size": batch_size, "table_rows": arguments.rows}


def _against_plain(
    options: dict[str, Any], table: str, arguments: argparse.Namespace
) -> ComparedModel:
    plain = Work(make_plain, options)
    return _compare({**options, "table": table}, "the plain way", plain, arguments)


def _against_teacher(student: str, teacher: str, arguments: argparse.Namespace) -> ComparedModel:
    batch_size = MOST_CIN_ROWS if teacher == "cin" else 1024
    options = {**_options(teacher, batch_size, arguments), "table": "lazy"}
    other = Work(make_ours, options)
    return _compare({**options, "name": student}, f"our {teacher}", other, arguments)


def _compare(
    options: dict[str, Any], reference: str, other: Work, arguments: argparse.Namespace
) -> ComparedModel:
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
    name: str, rows: int, batch_size: int, table_rows: int, table: str, **sizes: int
) -> Callable[[], None]:
    """Return training steps of ctrkit, as in ``Trainer.fit``; `sizes` are those of `make_model`."""
    model = make_model(name, table_rows=table_rows, **sizes)
    step = TrainStep(model, TrainConfig(batch_size=batch_size, table_optimizer=table))
    batch = make_batch(rows, table_rows=table_rows, num_fields=model.num_fields)
    batches = batch.split(batch_size)

    def do() -> None:
        with step.at_full_speed():
            for batch in batches:
                step(batch)

    return do


def make_plain(name: str, rows: int, batch_size: int, table_rows: int) -> Callable[[], None]:
    """Return training steps as they are usually written."""
    model = make_model(name, table_rows=table_rows)
    interact = plain_interaction(model)
    return plain_steps(
        lambda ids: interact(model.embedding(ids)),
        [torch.optim.Adam(model.parameters())],
        make_batch(rows, table_rows=table_rows).split(batch_size),
    )


def plain_steps(
    logits: Callable[[Tensor], Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    batches: Sequence[Batch],
) -> Callable[[], None]:
    """Return steps on whole batches with binary cross-entropy."""

    def do() -> None:
        for batch in batches:
            for optimizer in optimizers:
                optimizer.zero_grad()
            functional.binary_cross_entropy_with_logits(logits(batch.ids), batch.labels).backward()
            for optimizer in optimizers:
                optimizer.step()

    return do
