"""``ctrkit evaluate``: score labelled rows and print the metrics."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ctrkit.cli.console import say, show
from ctrkit.cli.inputs import (
    add_reading,
    is_prepared,
    skipping,
    tell_skipped,
)
from ctrkit.cli.opened_run import add_run, add_run_options, open_run
from ctrkit.cli.outputs import check_output, opened_output
from ctrkit.cli.paths import STANDARD, file_path, path
from ctrkit.cli.tables import metrics_table
from ctrkit.data import PARTS, load
from ctrkit.options import printable


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_run(parser)
    parser.add_argument(
        "inputs",
        type=path,
        nargs="+",
        metavar="DATA|FILE",
        help="prepared folder, or raw files; - for stdin",
    )
    parser.add_argument(
        "--on", choices=PARTS, help="which rows of the prepared folder (default: test)"
    )
    parser.add_argument(
        "--json", type=file_path, metavar="FILE", help="also write the figures; - for stdout"
    )
    add_run_options(parser)
    add_reading(parser)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate and print."""
    inputs: list[Path] = arguments.inputs
    if arguments.on is not None and not is_prepared(inputs):
        raise ValueError("--on chooses rows of a prepared folder; raw files are scored whole")
    out: Path | None = arguments.json
    if out is not None:
        check_output("--json", out, [arguments.run, *inputs])
    skipped = skipping(arguments)
    if skipped is not None and is_prepared(inputs):
        raise ValueError(f"--bad-rows is for raw files, {inputs[0]} is prepared already")
    trained = open_run(arguments)
    if is_prepared(inputs):
        name = arguments.on or "test"
        metrics = trained.evaluate_rows(load(inputs[0]), name)
    else:
        name = inputs[0].name if len(inputs) == 1 else f"{len(inputs)} files"
        metrics = trained.evaluate_files(inputs, skipped=skipped)
        if skipped is not None:
            first = next(iter(skipped.first.values()), None)
            tell_skipped(skipped.total, metrics.rows, f"the first is {first}")
    table = metrics_table({printable(name): metrics})
    # Standard output is either for people or for a program.
    if out == STANDARD:
        for line in table.splitlines():
            say(line)
    else:
        show(table)
    if out is not None:
        text = json.dumps({name: metrics.to_dict()}, indent=2, allow_nan=False)
        with opened_output(out) as file:
            file.write(f"{text}\n".encode())
