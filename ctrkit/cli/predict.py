"""``ctrkit predict``: raw rows in, click probabilities out."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from ctrkit.cli.decimals import decimal_lines
from ctrkit.cli.progress import RowsBar
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


def run(arguments: argparse.Namespace) -> None:
    """Score in chunks, in input order, one probability per row."""
    out: Path = arguments.out
    check_writable(out)
    if out.resolve() in [path.resolve() for path in arguments.inputs]:
        raise ValueError(f"--out {out} is one of the files to score; name another")
    trained = Run(arguments.run, device=arguments.device)
    rows = 0
    with (
        RowsBar("predict") as bar,
        written_aside(out) as temporary,
        temporary.open("wb") as file,
        closing(trained.score_files(arguments.inputs, num_workers=arguments.num_workers)) as scores,
    ):
        file.write(b"probability\n")
        for predicted in scores:
            file.write(decimal_lines(predicted))
            rows += len(predicted)
            bar(len(predicted))
    print(f"{rows:,} probabilities written to {out}", file=sys.stderr)
