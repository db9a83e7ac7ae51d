"""How training speed grows with fields, width and threads."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.harness import add_common, begin, compare_apart, save
from benchmarks.roofline import measure
from benchmarks.side import Work
from benchmarks.train import make_ours

MODELS = ("eulernet", "crossnet", "dagfm inner", "dagfm outer")
BATCH_SIZE = 4096
IDS_PER_FIELD = 2000
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
        varied = {**STANDARD, option: value}
        found = compare_apart(
            f"{name}, {option} {value}, {STANDARD[option]}",
            "rows",
            BATCH_SIZE,
            _work(name, varied),
            _work(name, STANDARD),
            threads=varied["threads"],
            reference_threads=STANDARD["threads"],
            clock="wall",
            repeats=repeats,
        )
        results.append(
            {
                "model": name,
                "option": option,
                "value": value,
                "rows_per_second": vars(found.ours),
                "ratio_to_standard": vars(found.ratio),
            }
        )
    return results


def _work(name: str, options: dict[str, int]) -> Work:
    sizes = {key: value for key, value in options.items() if key != "threads"}
    step = {"rows": BATCH_SIZE, "batch_size": BATCH_SIZE, "table": "lazy"}
    table_rows = IDS_PER_FIELD * options["num_fields"]
    return Work(make_ours, {"name": name, "table_rows": table_rows, **step, **sizes})
