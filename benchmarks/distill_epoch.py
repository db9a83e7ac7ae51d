"""An epoch of distillation with cached logits against an epoch of training the student, in turn."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.harness import ComparedModel, add_common, begin, compare, save
from ctrkit.data import PreparedData, prepare
from ctrkit.distill import DistillationTrainer, DistillConfig, teacher_logits
from ctrkit.models import DAGFM, CrossNet
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig, Trainer


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=1024)
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
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
) -> ComparedModel:
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
