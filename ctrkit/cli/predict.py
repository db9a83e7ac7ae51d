"""``ctrkit predict``: raw rows in, click probabilities out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ctrkit.cli.progress import RowsBar
from ctrkit.files import check_writable, written_aside
from ctrkit.serving import Run


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that train wrote")
    parser.add_argument("inputs", type=Path, nargs="+", metavar="FILE", help="raw rows, .gz or not")
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="file to write")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda ...")


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
        temporary.open("w", encoding="ascii") as file,
    ):
        file.write("probability\n")
        for predicted in trained.score_files(arguments.inputs):
            # repr of a float reads back as the same number: no rank is lost to rounding.
            file.writelines(f"{value!r}\n" for value in predicted.tolist())
            rows += len(predicted)
            bar(len(predicted))
    print(f"{rows:,} probabilities written to {out}", file=sys.stderr)
