"""A whole run on generated rows: an epoch of training and an evaluation, by threads."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Spread, add_common, begin, save
from benchmarks.side import Side, Work
from benchmarks.suite import EMBEDDING_DIM
from ctrkit.data import load, prepare
from ctrkit.data.synthetic import generate
from ctrkit.models import build_model
from ctrkit.training import TrainConfig, Trainer, evaluate

RUNS = {
    "eulernet": ("eulernet", {}),
    "crossnet": ("crossnet", {}),
    "dagfm inner": ("dagfm", {"interaction": "inner"}),
}
THREADS = (1, 2)


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
                works = [
                    Side(Work(make_run, {"name": name, "kind": kind, "data": str(data)}), t)
                    for t in THREADS
                ]
                pairs = [
                    tuple(side.run(1, clock="wall") for side in works)
                    for _ in range(arguments.repeats)
                ]
                for side in works:
                    side.__exit__()
                rates = [Spread.of([rows / p[i] for p in pairs]) for i in range(len(THREADS))]
                ratio = Spread.of([one / two for one, two in pairs])
                print(
                    f"{kind} {name}: {rates[0].median:,.0f} rows/s with one thread, "
                    f"{ratio.median:.2f} times as fast with two",
                    flush=True,
                )
                found.append(
                    {
                        "model": name,
                        "kind": kind,
                        "rows": rows,
                        "rows_per_second": [vars(r) for r in rates],
                        "ratio_two_to_one": vars(ratio),
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
