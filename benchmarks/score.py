"""Scoring rows that are in memory: every model against its plain formula, students, teachers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from types import SimpleNamespace

import torch

from benchmarks.harness import add_common, begin, compare_apart, save
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
from ctrkit.training import score

ROWS_PER_CALL = 40_960
FEW_ROWS = {"cin": 1024}
PLAIN_BATCH = 4096


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    roofline = measure(arguments.threads)
    cases = [(name, "plain", name) for name in arguments.models]
    cases += [(student, "ours", teacher) for student, teacher in STUDENTS]
    found = []
    for name, kind, other in cases:
        rows = FEW_ROWS.get(other, ROWS_PER_CALL)
        make = make_plain if kind == "plain" else make_ours
        found.append(
            compare_apart(
                f"score {name}, {kind} {other}",
                "rows",
                rows,
                Work(make_ours, {"name": name, "rows": rows}),
                Work(make, {"name": other, "rows": rows}),
                threads=arguments.threads,
                repeats=arguments.repeats,
                details={"model": name, "reference": f"{kind} {other}"},
            )
        )
    save("score", found, roofline=roofline, table_rows=TABLE_ROWS)


def make_ours(name: str, rows: int, table_rows: int = TABLE_ROWS) -> Callable[[], object]:
    """Return ``ctrkit.training.score`` of a model on rows in memory."""
    model = make_model(name, table_rows=table_rows)
    batch = make_batch(rows, table_rows=table_rows)
    examples = SimpleNamespace(ids=batch.ids.numpy(), labels=batch.labels.numpy(), values=None)
    return lambda: score(model, examples)


def make_plain(name: str, rows: int) -> Callable[[], None]:
    """Return scoring as it is usually written: large batches without gradients."""
    model = make_model(name, table_rows=TABLE_ROWS).eval()
    interact = plain_interaction(model)
    batch = make_batch(rows, table_rows=TABLE_ROWS)

    def do() -> None:
        with torch.no_grad():
            for ids in batch.ids.split(PLAIN_BATCH if name != "cin" else MOST_CIN_ROWS):
                torch.sigmoid(interact(model.embedding(ids)))

    return do
