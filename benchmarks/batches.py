"""Batches of shuffled blocks against shuffled rows: speed, memory, and what a model learns."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.harness import ComparedModel, add_common, begin, compare, measured, save
from benchmarks.statistics import mean_interval, spell
from ctrkit.data import Dataset, PreparedData, prepare
from ctrkit.data.storing.dataset import IDS_FILE, LABELS_FILE
from ctrkit.machine.memory import release_pages
from ctrkit.models import DAGFM
from ctrkit.rows import Rows
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig, Trainer
from ctrkit.training.input.batches import shuffled_batches
from ctrkit.training.input.shuffling import choose_order

NUM_FIELDS, NUM_IDS, BATCH_SIZE = 39, 1000, 1024
ORDERS = ("blocks", "rows")

SCARCE = 100
"""Batches after which the system's cache is emptied, for a machine with little memory."""

SMALL = {"BLOCK_BYTES": 16 << 10, "POOL_BYTES": 2 << 20}
"""Sizes for the runs that compare AUC: 80,000 rows are 7 pools of 120 blocks, not one pool."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=5_000_000, help="for memory; a fifth for speed")
    parser.add_argument("--train-rows", type=int, default=100_000, help="generated, to compare AUC")
    parser.add_argument("--seeds", type=int, default=3)
    add_common(parser)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    with tempfile.TemporaryDirectory(prefix="ctrkit-bench-", dir=arguments.folder) as folder:
        found = [
            *memory(Path(folder), arguments.rows),
            speed(Path(folder), arguments.rows // 5, arguments.repeats),
            *quality(Path(folder), arguments.train_rows, arguments.seeds),
        ]
    save("batches", found)


def write_rows(folder: Path, num_rows: int) -> None:
    """Write random rows as prepared data has them, without ever holding them all."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for name, dtype, shape in (
        (IDS_FILE, "<i4", (num_rows, NUM_FIELDS)),
        (LABELS_FILE, "|u1", (num_rows,)),
    ):
        with (folder / name).open("wb") as file:
            header = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, num_rows, 1 << 16):
                size = (min(1 << 16, num_rows - start), *shape[1:])
                limit = NUM_IDS if name == IDS_FILE else 2
                file.write(random.integers(0, limit, size, dtype=dtype).tobytes())


def read_epoch(folder: Path, shuffle: str, *, batches_in_cache: int | None = None) -> None:
    """Read all batches of one epoch, as training does.

    Args:
        folder: where the rows lie.
        shuffle: ``"rows"`` or ``"blocks"``.
        batches_in_cache: how often the system's cache of the rows is emptied, as that of a machine
            with little memory would be; never if not given.
    """
    data = Dataset.open(folder)
    order = choose_order(shuffle, Rows(data.ids, data.labels), batch_size=BATCH_SIZE, seed=0)
    limits = np.full(NUM_FIELDS, NUM_IDS)
    batches = shuffled_batches(order, limits=limits, epoch=0, device=torch.device("cpu"))
    for number, _ in enumerate(batches, start=1):
        if batches_in_cache is not None and number % batches_in_cache == 0:
            for array in (data.ids, data.labels):
                release_pages(array)  # pages that are mapped would stay
            forget(folder)


def forget(folder: Path) -> None:
    """Take files out of the system's cache, so that they are read from the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory(folder: Path, num_rows: int) -> list[dict[str, Any]]:
    """Measure processes that read one epoch, less one that reads a single row."""
    write_rows(folder / "rows", num_rows)
    write_rows(folder / "one", 1)
    base = measured("-m", "benchmarks.batches", folder / "one", "rows", 1)
    size = sum(path.stat().st_size for path in (folder / "rows").iterdir())
    found = []
    for what, cached in (("all batches", num_rows), (f"{SCARCE} batches", SCARCE)):
        for shuffle in ORDERS:
            forget(folder / "rows")
            used = measured("-m", "benchmarks.batches", folder / "rows", shuffle, cached)
            figures = {
                "name": f"epoch of {shuffle}, a cache for {what}",
                "rows": num_rows,
                "peak_bytes": used["peak_bytes"] - base["peak_bytes"],
                "base_bytes": base["peak_bytes"],
                "times_read": used["read_bytes"] / size,
                "rows_per_wall_second": num_rows / used["seconds"],
            }
            print(
                f"{figures['name']:<44} {figures['peak_bytes'] / 2**20:,.0f} MiB, the file read "
                f"{figures['times_read']:.1f} times, "
                f"{figures['rows_per_wall_second']:,.0f} rows per second of wall time",
                flush=True,
            )
            found.append(figures)
    return found


def speed(folder: Path, num_rows: int, repeats: int) -> ComparedModel:
    """Compare the orders on rows that the system has in its cache."""
    write_rows(folder / "warm", num_rows)
    return compare(
        "batches of blocks, not of rows, warm",
        "rows",
        num_rows,
        lambda: read_epoch(folder / "warm", "blocks"),
        lambda: read_epoch(folder / "warm", "rows"),
        repeats=repeats,
    )


def quality(folder: Path, num_rows: int, num_seeds: int) -> list[dict[str, Any]]:
    """Compare the AUC of both orders, on a log as it is and on one sorted by a field."""
    raw = folder / "criteo.txt"
    generate(raw, rows=num_rows, seed=1)
    data = prepare(raw, format="criteo", out=folder / "data")
    largest = int(np.argmax([max(column) for column in data.train.ids.T]))
    by_field = np.argsort(data.train.ids[:, largest], kind="stable")
    found = []
    for name, train in (("as it is", data.train), ("sorted", data.train.take(by_field))):
        aucs = {
            shuffle: [train_auc(data, train, shuffle, seed) for seed in range(num_seeds)]
            for shuffle in ORDERS
        }
        pairs = zip(aucs["blocks"], aucs["rows"], strict=True)
        mean, half = mean_interval([blocks - rows for blocks, rows in pairs])
        print(
            f"AUC, log {name}: blocks {spell(aucs['blocks'])}, rows {spell(aucs['rows'])}, "
            f"difference {mean:+.4f} ± {half:.4f}",
            flush=True,
        )
        found.append({"name": f"AUC, log {name}", "auc": aucs, "difference": [mean, half]})
    return found


def train_auc(data: PreparedData, train: Any, shuffle: str, seed: int) -> float:
    """Return the validation AUC of a DAGFM after one epoch."""
    torch.manual_seed(seed)
    rows = SimpleNamespace(ids=train.ids, labels=train.labels, values=train.values)
    config = TrainConfig(epochs=1, seed=seed, shuffle=shuffle, validations_per_epoch=1)
    with mock.patch.multiple("ctrkit.training.input.shuffling", **SMALL):
        result = Trainer(config).fit(DAGFM(data.cardinalities), rows, data.valid)
    auc = result.best.valid_auc
    assert auc is not None, "there are validation rows"
    return auc


def main() -> None:
    """Be the process that `memory` measures."""
    began = time.perf_counter()
    read_epoch(Path(sys.argv[1]), sys.argv[2], batches_in_cache=int(sys.argv[3]))
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
