"""Kill prepare, predict, train and distill many times, and print a table of what came of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from fault_commands import all_commands, make_inputs
from killing import killed_often, undisturbed


def main() -> None:
    """Read the arguments, kill, and print the table."""
    parser = argparse.ArgumentParser(prog="python tests/faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--seed", type=int, default=1, help="decides the moments")
    parser.add_argument("--only", nargs="+", metavar="COMMAND", help="commands to kill")
    parser.add_argument("--log-rows", type=int, default=150_000, help="to prepare and to score")
    parser.add_argument("--train-rows", type=int, default=4000, help="to train on")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ctrkit-faults-") as name:
        folder = Path(name)
        inputs = make_inputs(folder, log_rows=given.log_rows, train_rows=given.train_rows)
        commands = all_commands(inputs)
        print("| command | kills | same result | seed | killed while |")
        print("| --- | --- | --- | --- | --- |")
        for chosen in given.only or commands:
            place = folder / f"cases-{chosen}"
            whole = undisturbed(commands[chosen], place / "undisturbed")
            phases = killed_often(
                commands[chosen],
                place,
                whole,
                kills=given.kills,
                seed=f"{given.seed} {chosen}",
                say=lambda text, name=chosen: print(name, text, file=sys.stderr, flush=True),
            )
            where = ", ".join(f"{phase} {count}" for phase, count in phases.most_common())
            total = phases.total()
            print(f"| {chosen} | {total} | {total} | {given.seed} | {where} |", flush=True)


if __name__ == "__main__":
    main()
