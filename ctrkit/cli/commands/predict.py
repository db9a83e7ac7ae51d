"""``ctrkit predict``: raw rows in, click probabilities out."""

from __future__ import annotations

import argparse
from contextlib import closing, nullcontext
from pathlib import Path

from ctrkit.cli.arguments import whole_number
from ctrkit.cli.bars import RowsBar
from ctrkit.cli.console import say
from ctrkit.cli.inputs import add_reading, skipping, tell_skipped
from ctrkit.cli.opened_run import add_run, add_run_options, open_run
from ctrkit.cli.outputs import called, check_output, opened_output, streams
from ctrkit.cli.paths import file_path, path
from ctrkit.data import SKIPPED_FILE, remove_list


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_run(parser)
    parser.add_argument(
        "inputs", type=path, nargs="+", metavar="FILE", help="raw rows, .gz or not; - for stdin"
    )
    parser.add_argument(
        "--out", type=file_path, required=True, metavar="CSV", help="file to write; - for stdout"
    )
    parser.add_argument(
        "--num-workers", type=whole_number, metavar="N", help="threads (default: one per processor)"
    )
    add_run_options(parser)
    add_reading(parser)


def run(arguments: argparse.Namespace) -> None:
    """Score in chunks, in input order, one probability per row; nan for a row that is skipped."""
    out: Path = arguments.out
    inputs: list[Path] = arguments.inputs
    check_output("--out", out, [arguments.run, *inputs])
    listed = None if streams(out) else out.with_name(f"{out.name}.{SKIPPED_FILE}")
    skipped = skipping(arguments, listed)
    if skipped is not None and listed is not None:
        check_output("--bad-rows lists rows in", listed, [arguments.run, *inputs])
    trained = open_run(arguments)
    rows = 0
    with (
        RowsBar("predict") as bar,
        opened_output(out) as file,  # gets its name last, after the list
        skipped or nullcontext(),
        closing(
            trained.score_files(inputs, num_workers=arguments.num_workers, skipped=skipped)
        ) as scores,
    ):
        file.write(b"probability\n")
        for predicted in scores:
            # repr: the shortest decimals that read back as the very same number.
            file.write("\n".join([*map(repr, predicted.tolist()), ""]).encode())
            rows += len(predicted)
            bar(len(predicted))
        num_skipped = skipped.total if skipped else 0
        if not num_skipped and listed is not None:
            remove_list(listed)  # of an earlier file of scores
    say(f"{rows - num_skipped:,} probabilities written to {called(out)}")
    if skipped is not None and num_skipped:
        first = f"the first is {next(iter(skipped.first.values()))}"
        where = first if listed is None else f"listed in {listed}"
        tell_skipped(num_skipped, rows - num_skipped, f"they are nan in it, and {where}")
