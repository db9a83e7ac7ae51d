"""Whole training steps of every model, against its plain formula with PyTorch's default Adam."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks.harness import add_common, begin, compare_apart, save
from benchmarks.plain import plain_interaction
from benchmarks.roofline import measure
from benchmarks.side import Work
from benchmarks.suite import MODELS, TABLE_ROWS, make_batch, make_model
from ctrkit.training import TrainConfig
from ctrkit.training.compute import full_rate
from ctrkit.training.step import TrainStep

NUM_BATCHES = 8
"""Different batches in turn, so that not always the same table rows are in the cache."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1024, 4096])
    parser.add_argument("--rows", type=int, default=TABLE_ROWS, help="rows of the table")
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    machine_rates = measure(arguments.threads)
    found = []
    for name, batch_size in itertools.product(arguments.models, arguments.batch_sizes):
        # The plain CIN keeps 10 MB for every row.
        rows = min(batch_size, 512) if name == "cin" else batch_size
        options = {"name": name, "batch_size": rows, "table_rows": arguments.rows}
        for table in ("dense", "lazy"):
            found.append(
                compare_apart(
                    f"train {name}, batch {rows}, {table}",
                    "rows",
                    rows,
                    Work(make_step, {**options, "table": table}),
                    Work(make_plain_step, options),
                    threads=arguments.threads,
                    repeats=arguments.repeats,
                )
            )
    save("train", found, roofline=machine_rates, table_rows=arguments.rows)


def make_step(name: str, batch_size: int, table_rows: int, table: str) -> Callable[[], None]:
    """Return a training step of ctrkit."""
    model = make_model(name, table_rows=table_rows)
    step = TrainStep(model, TrainConfig(batch_size=batch_size, table_optimizer=table))
    batches = _batches(batch_size, table_rows)

    def do() -> None:
        with full_rate(step.device):
            step(next(batches))

    return do


def make_plain_step(name: str, batch_size: int, table_rows: int) -> Callable[[], None]:
    """Return a training step as it is usually written."""
    model = make_model(name, table_rows=table_rows)
    interact = plain_interaction(model)
    adam = torch.optim.Adam(model.parameters())
    batches = _batches(batch_size, table_rows)

    def do() -> None:
        batch = next(batches)
        adam.zero_grad()
        logits = interact(model.embedding(batch.ids))
        functional.binary_cross_entropy_with_logits(logits, batch.labels).backward()
        adam.step()

    return do


def _batches(batch_size: int, table_rows: int) -> itertools.cycle:
    return itertools.cycle(
        [make_batch(batch_size, table_rows=table_rows, seed=seed) for seed in range(NUM_BATCHES)]
    )
