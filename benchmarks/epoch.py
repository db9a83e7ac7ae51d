"""A whole run on generated rows: an epoch of training and an evaluation, by threads."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import add_common, begin, compare_apart, save
from benchmarks.side import Work
from benchmarks.suite import EMBEDDING_DIM
from ctrkit.data import load, prepare
from ctrkit.models import build_model
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig, Trainer, evaluate

RUNS = {
    "eulernet": ("eulernet", {}),
    "crossnet": ("crossnet", {}),
    "dagfm inner": ("dagfm", {"interaction": "inner"}),
}


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)
    add_common(parser, repeats=3)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        raw, data = Path(folder) / "criteo.txt", Path(folder) / "data"
        generate(raw, rows=arguments.rows, seed=1)
        rows = len(prepare(raw, format="criteo", out=data).train)
        for name in RUNS:
            for kind in ("train", "evaluate"):
                work = Work(make_run, {"name": name, "kind": kind, "data": str(data)})
                two = compare_apart(
                    f"{kind} {name}, two threads, one",
                    "rows",
                    rows,
                    work,
                    work,
                    threads=2,
                    reference_threads=1,
                    clock="wall",
                    repeats=arguments.repeats,
                )
                found.append(
                    {
                        "model": name,
                        "kind": kind,
                        "rows": rows,
                        "rows_per_second": [vars(two.reference), vars(two.ours)],
                        "ratio_two_to_one": vars(two.ratio),
                    }
                )
    save("epoch", found, embedding_dim=EMBEDDING_DIM)


def make_run(name: str, kind: str, data: str) -> Callable[[], object]:
    """Return an epoch of training without validation, or scoring and metrics of those rows."""
    rows = load(data)
    model_name, options = RUNS[name]
    model = build_model(model_name, rows.cardinalities, options, where="benchmark")
    if kind == "evaluate":
        return lambda: evaluate(model, rows.train)
    trainer = Trainer(TrainConfig(epochs=1, batch_size=4096))
    return lambda: trainer.fit(model, rows.train)
