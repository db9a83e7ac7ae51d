"""How a training step grows with the rows of the table, for each of the table's optimizers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.harness import add_common, begin, compare_apart, save
from benchmarks.side import Work
from benchmarks.suite import make_batch, make_model
from benchmarks.train import make_ours, plain_steps

MODELS = ("eulernet", "dagfm inner")
BATCH_SIZE = 1024
ROWS_PER_CALL = 4096
BYTES_PER_ROW = {"dense": 16 * 4 * 4, "lazy": 16 * 4 * 3 + 4, "adagrad": 16 * 4 + 4, "sparse": 196}
"""Table, gradient and state, in float32 and width 16."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", nargs="+", type=int, default=[100_000, 1_000_000, 10_000_000, 100_000_000]
    )
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = []
    for name in MODELS:
        for table in ("lazy", "adagrad", "dense", "sparse"):
            fits = [r for r in arguments.rows if 1.3 * r * BYTES_PER_ROW[table] < available]
            found += _measure(name, table, fits, arguments)
    save("table", found, batch_size=BATCH_SIZE, embedding_dim=16)


def _measure(
    name: str, table: str, sizes: list[int], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Time a step with each size of table in turn with the smallest one."""
    results = []
    for rows in sizes:
        found = compare_apart(
            f"{name}, {table}, {rows:,} table rows, {sizes[0]:,}",
            "rows",
            ROWS_PER_CALL,
            _work(name, table, rows),
            _work(name, table, sizes[0]),
            threads=arguments.threads,
            repeats=arguments.repeats,
        )
        results.append(
            {
                "model": name,
                "table_optimizer": table,
                "table_rows": rows,
                "rows_per_second": vars(found.ours),
                "ratio_to_smallest": vars(found.ratio.inverse()),
                "peak_bytes": found.details["peak_bytes"],
            }
        )
    return results


def _work(name: str, table: str, rows: int) -> Work:
    options = {"name": name, "rows": ROWS_PER_CALL, "batch_size": BATCH_SIZE, "table_rows": rows}
    if table == "sparse":
        return Work(make_sparse_adam, options)
    return Work(make_ours, {**options, "table": table})


def make_sparse_adam(name: str, rows: int, batch_size: int, table_rows: int) -> Callable[[], None]:
    """Return training steps with ``torch.optim.SparseAdam`` on the table."""
    model = make_model(name, table_rows=table_rows)
    model.embedding.sparse_gradient = True
    tables = list(model.embedding.tables)
    net = [p for p in model.parameters() if all(p is not table for table in tables)]
    optimizers = [torch.optim.SparseAdam(tables), torch.optim.Adam(net, fused=True)]
    batches = make_batch(rows, table_rows=table_rows).split(batch_size)
    return plain_steps(model, optimizers, batches)
