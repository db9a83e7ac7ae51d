"""An epoch of distillation with cached logits against an epoch of training the student, in turn."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.harness import Comparison, compare, machine, save
from ctrkit.data import PreparedData, prepare
from ctrkit.data.synthetic import generate
from ctrkit.distill import DistillationTrainer, DistillConfig, teacher_logits
from ctrkit.models import DAGFM, CrossNet
from ctrkit.training import TrainConfig, Trainer


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)


def run(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "criteo.txt"
        generate(raw, rows=arguments.rows, seed=1)
        data = prepare(raw, format="criteo", out=Path(folder) / "data")
        found = [
            _measure(data, interaction, table, arguments)
            for interaction in ("inner", "outer")
            for table in ("copy", "own")
        ]
    save("distill_epoch", found)


def _measure(
    data: PreparedData, interaction: str, table: str, arguments: argparse.Namespace
) -> Comparison:
    teacher = CrossNet(data.cardinalities)
    teacher_logits(teacher, data)  # as any run after the first finds them
    # The same steps in both, whatever a phase would take by default.
    train = TrainConfig(epochs=1, batch_size=arguments.batch_size, validations_per_epoch=1)
    config = DistillConfig(
        student_table=table, distill_epochs=1, distill_learning_rate=train.learning_rate
    )

    def student() -> DAGFM:
        return DAGFM(data.cardinalities, interaction=interaction)

    return compare(
        f"distil dagfm {interaction}, table {table}, alone",
        "rows",
        len(data.train),
        lambda: DistillationTrainer(config, train=train).distill(student(), teacher, data),
        lambda: Trainer(train).fit(student(), data.train, data.valid),
        repeats=arguments.repeats,
    )
