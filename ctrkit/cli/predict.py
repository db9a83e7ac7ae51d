"""``ctrkit predict``: raw rows in, click probabilities out."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing, nullcontext
from pathlib import Path

from ctrkit.cli.decimals import decimal_lines
from ctrkit.cli.inputs import add_check_space, add_reading, skipping, tell_skipped
from ctrkit.cli.progress import RowsBar
from ctrkit.data.skip import SKIPPED_FILE
from ctrkit.files import check_writable, written_aside
from ctrkit.serving import Run


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that train wrote")
    parser.add_argument("inputs", type=Path, nargs="+", metavar="FILE", help="raw rows, .gz or not")
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="file to write")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda ...")
    parser.add_argument(
        "--num-workers", type=int, metavar="N", help="threads (default: one per processor)"
    )
    add_reading(parser)
    add_check_space(parser)


def run(arguments: argparse.Namespace) -> None:
    """Score in chunks, in input order, one probability per row; nan for a row that is skipped."""
    out: Path = arguments.out
    check_writable(out)
    if out.resolve() in [path.resolve() for path in arguments.inputs]:
        raise ValueError(f"--out {out} is one of the files to score; name another")
    listed = out.with_name(f"{out.name}.{SKIPPED_FILE}")
    skipped = skipping(arguments, listed)
    trained = Run(arguments.run, device=arguments.device, check_space=arguments.check_space)
    rows = 0
    with (
        RowsBar("predict") as bar,
        written_aside(out) as temporary,  # gets its name last, after the list
        skipped or nullcontext(),
        temporary.open("wb") as file,
        closing(
            trained.score_files(
                arguments.inputs, num_workers=arguments.num_workers, skipped=skipped
            )
        ) as scores,
    ):
        file.write(b"probability\n")
        for predicted in scores:
            file.write(decimal_lines(predicted))
            rows += len(predicted)
            bar(len(predicted))
        num_skipped = skipped.total if skipped else 0
        if not num_skipped:
            listed.unlink(missing_ok=True)  # of an earlier file of scores
    print(f"{rows - num_skipped:,} probabilities written to {out}", file=sys.stderr)
    tell_skipped(num_skipped, rows - num_skipped, f"they are nan in it, and listed in {listed}")
