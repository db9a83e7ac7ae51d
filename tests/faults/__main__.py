"""Kill prepare, predict, train and distill many times, and print a table of what came of it."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from fault_commands import all_commands, make_inputs
from killing import Command, survives, undisturbed

TWICE = 0.2
"""Share of the cases in which the run that goes on is killed as well."""


def killed_often(command: Command, folder: Path, *, kills: int, seed: int) -> Counter[str]:
    """Kill a command so many times and return how often in which phase."""
    draw = random.Random(f"{seed} {command.name}")
    whole = undisturbed(command, folder / "undisturbed")
    print(f"{command.name}: {whole.seconds:.2f} s of work", file=sys.stderr, flush=True)
    phases: Counter[str] = Counter()
    case = 0
    while phases.total() < kills:
        case += 1
        times = 2 if draw.random() < TWICE and phases.total() + 1 < kills else 1
        moments = [draw.uniform(0, whole.seconds) for _ in range(times)]
        fell = survives(command, folder / str(case), whole, moments)
        phases.update(fell)
        shutil.rmtree(folder / str(case))
        if not fell:  # the machine has less to do than at first, the moments were too late
            whole = replace(whole, seconds=min(whole.seconds, moments[0]))
        said = ", ".join(fell) or "it had ended before"
        print(f"{command.name} {phases.total()}/{kills}: {said}", file=sys.stderr, flush=True)
    return phases


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
            phases = killed_often(commands[chosen], place, kills=given.kills, seed=given.seed)
            where = ", ".join(f"{phase} {count}" for phase, count in phases.most_common())
            total = phases.total()
            print(f"| {chosen} | {total} | {total} | {given.seed} | {where} |", flush=True)


if __name__ == "__main__":
    main()
