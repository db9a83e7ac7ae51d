"""Peak memory by the formula of docs/memory.md against that of a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.batches import NUM_FIELDS, write_rows
from benchmarks.harness import machine, measured, save
from ctrkit.data import Dataset, prepare
from ctrkit.distill import teacher_logits
from ctrkit.models import DAGFM
from ctrkit.runs import Run, train_run
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig, Trainer, evaluate

TABLE_ROWS, TABLE_DIM, STEPS, BATCH_SIZE = 2_000_000, 16, 8, 4096
SCORED_ROWS = 2_000_000
RAW_ROWS = (200_000, 800_000)

STATES = {"dense": 4 * TABLE_DIM, "lazy": 3 * TABLE_DIM + 1, "adagrad": TABLE_DIM + 1}
"""Numbers held per table row: weight, state of the optimizer, and where it is dense, gradient."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")


def run(arguments: argparse.Namespace) -> None:
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="ctrkit-bench-", dir=arguments.folder) as folder:
        found = [*tables(Path(folder)), *row_by_row(Path(folder)), *logs(Path(folder))]
    save("memory", found)


def tables(folder: Path) -> list[dict[str, Any]]:
    """Train models with a large table, less the same with a small one."""
    write_rows(folder / "few", STEPS * BATCH_SIZE)
    found = []
    for kind, numbers in STATES.items():
        for kept in ("folder", "memory"):
            words = ("train", folder / "few", kind, kept)
            small, large = (peak(*words, rows) for rows in (NUM_FIELDS * 1000, TABLE_ROWS))
            predicted = 4 * (numbers + TABLE_DIM) * TABLE_ROWS
            name = f"train, {kind} table, best weights in {kept}"
            found.append(show(name, predicted, large - small))
    return found


def row_by_row(folder: Path) -> list[dict[str, Any]]:
    """Score many rows, less the same with few."""
    write_rows(folder / "one", 1 << 16)
    write_rows(folder / "many", SCORED_ROWS)
    return [
        show(name, size * SCORED_ROWS, peak(name, folder / "many") - peak(name, folder / "one"))
        for name, size in (("evaluate", 43), ("distill", 5))
    ]


def logs(folder: Path) -> list[dict[str, Any]]:
    """Prepare and score raw logs of two lengths: what a row more takes."""
    found = []
    for rows in RAW_ROWS:
        generate(folder / f"{rows}.txt", rows=rows, seed=1)
    data = prepare(folder / f"{RAW_ROWS[0]}.txt", format="criteo", out=folder / "data")
    options = {"embedding_dim": 4, "depth": 1}
    config = TrainConfig(epochs=1, batch_size=4096)
    train_run(data, model="dagfm", model_options=options, config=config, out=folder / "run")
    for name, place in (("prepare", folder / "out"), ("predict", folder / "run")):
        short, long = (peak(name, place, folder / f"{rows}.txt") for rows in RAW_ROWS)
        found.append({"name": name, "rows": RAW_ROWS, "peak_bytes": [short, long]})
        print(f"{name:<40} {short / 2**20:,.0f} and {long / 2**20:,.0f} MiB, {RAW_ROWS} rows")
    return found


def peak(*words: object) -> float:
    """Return the peak of a process that does one of `WORK`."""
    return measured("-m", "benchmarks.memory", *words)["peak_bytes"]


def show(name: str, predicted: float, found: float) -> dict[str, Any]:
    """Print and return one line."""
    print(f"{name:<40} formula {predicted / 2**20:,.0f} MiB, measured {found / 2**20:,.0f} MiB")
    return {"name": name, "formula_bytes": predicted, "peak_bytes": found}


def work_train(folder: str, table_optimizer: str, kept: str, table_rows: str) -> None:
    model = DAGFM([int(table_rows) // NUM_FIELDS] * NUM_FIELDS, embedding_dim=TABLE_DIM)
    config = TrainConfig(epochs=1, batch_size=BATCH_SIZE, table_optimizer=table_optimizer)
    rows = Dataset.open(folder)
    with tempfile.TemporaryDirectory() as checkpoints:
        Trainer(config).fit(
            model, rows, rows, checkpoints=checkpoints if kept == "folder" else None
        )


def work_evaluate(folder: str) -> None:
    evaluate(DAGFM([1000] * NUM_FIELDS, embedding_dim=4, depth=1), Dataset.open(folder))


def work_distill(folder: str) -> None:
    rows = Dataset.open(folder)
    teacher_logits(lambda ids: ids[:, 0].float(), SimpleNamespace(train=rows, valid=None))


def work_prepare(out: str, raw: str) -> None:
    prepare(raw, format="criteo", out=out, num_workers=2, force=True)


def work_predict(run: str, raw: str) -> None:
    for predicted in Run(run).score_files([Path(raw)]):
        assert np.isfinite(predicted).all()


WORK: dict[str, Callable[..., None]] = {
    "train": work_train,
    "evaluate": work_evaluate,
    "distill": work_distill,
    "prepare": work_prepare,
    "predict": work_predict,
}


if __name__ == "__main__":  # the process that `peak` measures
    WORK[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({}))
