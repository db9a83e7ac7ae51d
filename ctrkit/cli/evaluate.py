"""``ctrkit evaluate``: score labelled rows and print the metrics."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctrkit.cli.inputs import (
    add_check_space,
    add_reading,
    is_prepared,
    skipping,
    tell_skipped,
)
from ctrkit.cli.tables import metrics_table
from ctrkit.data import load
from ctrkit.files import check_writable, save_json
from ctrkit.options import printable
from ctrkit.serving import Run

SPLITS = ("train", "valid", "test")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that train wrote")
    parser.add_argument(
        "inputs", type=Path, nargs="+", metavar="DATA|FILE", help="prepared folder, or raw files"
    )
    parser.add_argument(
        "--on", choices=SPLITS, help="which rows of the prepared folder (default: test)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as well")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda ...")
    add_reading(parser)
    add_check_space(parser)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate and print."""
    inputs: list[Path] = arguments.inputs
    if arguments.on is not None and not is_prepared(inputs):
        raise ValueError("--on chooses rows of a prepared folder; raw files are scored whole")
    if arguments.json is not None:
        check_writable(arguments.json)
    skipped = skipping(arguments)
    if skipped is not None and is_prepared(inputs):
        raise ValueError(f"--bad-rows is for raw files, {inputs[0]} is prepared already")
    trained = Run(arguments.run, device=arguments.device, check_space=arguments.check_space)
    if is_prepared(inputs):
        name = arguments.on or "test"
        metrics = trained.evaluate_rows(load(inputs[0]), name)
    else:
        name = inputs[0].name if len(inputs) == 1 else f"{len(inputs)} files"
        metrics = trained.evaluate_files(inputs, skipped=skipped)
        if skipped is not None:
            first = next(iter(skipped.first.values()), None)
            tell_skipped(skipped.total, metrics.rows, f"the first is {first}")
    print(metrics_table({printable(name): metrics}))
    if arguments.json is not None:
        save_json(arguments.json, {name: metrics.to_dict()}, checksum=False)
