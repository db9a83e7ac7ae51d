"""How training speed grows with fields, width and threads."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Spread, add_common, begin, save
from benchmarks.roofline import measure
from benchmarks.side import Side, Work
from benchmarks.suite import make_batch, make_model
from ctrkit.training import TrainConfig
from ctrkit.training.compute import full_rate
from ctrkit.training.freed_memory import freed_memory_kept
from ctrkit.training.step import TrainStep

MODELS = ("eulernet", "crossnet", "dagfm inner", "dagfm outer")
BATCH_SIZE = 4096
STANDARD = {"num_fields": 39, "embedding_dim": 16, "threads": 1}
VARIED = {"num_fields": [10, 20, 39, 78], "embedding_dim": [8, 16, 32], "threads": [1, 2]}


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--vary", nargs="+", choices=list(VARIED), default=list(VARIED))
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    rooflines = [measure(threads) for threads in (1, 2)]
    found = [
        result
        for name in arguments.models
        for option in arguments.vary
        for result in _measure(name, option, arguments.repeats)
    ]
    save("growth", found, roofline=rooflines, batch_size=BATCH_SIZE, standard=STANDARD)


def _measure(name: str, option: str, repeats: int) -> list[dict[str, Any]]:
    """Time every value of an option in turn with the standard one, by the wall clock."""
    results = []
    for value in VARIED[option]:
        with _side(name, {**STANDARD, option: value}) as varied, _side(name, STANDARD) as standard:
            varied.run(1), standard.run(1)
            pairs = [
                (varied.run(1, clock="wall"), standard.run(1, clock="wall")) for _ in range(repeats)
            ]
        rate = Spread.of([BATCH_SIZE / a for a, _ in pairs])
        ratio = Spread.of([b / a for a, b in pairs])
        print(
            f"{name}, {option} {value}: {rate.median:>9,.0f} rows/s of the wall clock, "
            f"{ratio.median:.2f} times as fast as with {STANDARD[option]}",
            flush=True,
        )
        results.append(
            {
                "model": name,
                "option": option,
                "value": value,
                "rows_per_second": vars(rate),
                "ratio_to_standard": vars(ratio),
            }
        )
    return results


def _side(name: str, options: dict[str, int]) -> Side:
    sizes = {key: value for key, value in options.items() if key != "threads"}
    return Side(Work(make_step, {"name": name, **sizes}), options["threads"])


def make_step(name: str, num_fields: int, embedding_dim: int) -> Callable[[], None]:
    """Return a training step of ctrkit on a table of 2,000 rows per field."""
    table_rows = 2000 * num_fields
    model = make_model(
        name, table_rows=table_rows, num_fields=num_fields, embedding_dim=embedding_dim
    )
    step = TrainStep(model, TrainConfig(table_optimizer="lazy"))
    batch = make_batch(BATCH_SIZE, table_rows=table_rows, num_fields=num_fields)

    def do() -> None:
        with full_rate(step.device), freed_memory_kept():
            step(batch)

    return do
