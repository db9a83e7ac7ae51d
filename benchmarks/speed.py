"""Speed of training, scoring and AUC, as ratios to the plain way in the same run."""

from __future__ import annotations

import argparse

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from benchmarks.harness import Comparison, compare, machine, save
from benchmarks.plain import plain_interaction
from ctrkit.models import Batch, EulerNet
from ctrkit.training import TrainConfig, auc
from ctrkit.training.compute import full_rate
from ctrkit.training.optimizers import make_optimizers

NUM_FIELDS, EMBEDDING_DIM, ORDERS = 39, 16, [39, 39]
CPU = torch.device("cpu")


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_500_000, help="rows of the table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)


def run(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    print(machine())
    found = [
        *training(arguments.rows, arguments.repeats),
        *scoring(arguments.rows, arguments.repeats),
        area_under_curve(arguments.repeats),
    ]
    save("speed", found)


def make_model(table_rows: int) -> EulerNet:
    torch.manual_seed(0)
    cardinalities = [table_rows // NUM_FIELDS] * NUM_FIELDS
    return EulerNet(cardinalities, embedding_dim=EMBEDDING_DIM, orders=ORDERS)


def make_batch(table_rows: int, batch_size: int) -> Batch:
    generator = np.random.default_rng(0)
    # Frequent ids are frequent, as in a log: the square of a uniform number crowds at the start.
    share = generator.random((batch_size, NUM_FIELDS)) ** 4
    ids = (share * (table_rows // NUM_FIELDS)).astype(np.int32)
    labels = (generator.random(batch_size) < 0.25).astype(np.float32)
    return Batch(torch.from_numpy(ids), torch.from_numpy(labels))


def training(table_rows: int, repeats: int) -> list[Comparison]:
    found = []
    for batch_size in (1024, 4096):
        batch = make_batch(table_rows, batch_size)
        ours = make_model(table_rows)
        optimizers = make_optimizers(ours, TrainConfig())
        lazy = make_model(table_rows)
        lazy_optimizers = make_optimizers(lazy, TrainConfig(table_optimizer="lazy"))
        reference = make_model(table_rows)
        plain = PlainEulerNet(reference)
        adam = torch.optim.Adam(reference.parameters())

        def step(model: EulerNet = ours, steppers: list = optimizers, batch: Batch = batch) -> None:
            with full_rate(CPU):
                for optimizer in steppers:
                    optimizer.zero_grad()
                model.calculate_loss(batch).backward()
                for optimizer in steppers:
                    optimizer.step()

        def lazy_step(model: EulerNet = lazy, steppers: list = lazy_optimizers) -> None:
            step(model, steppers)

        def plain_step(model: PlainEulerNet = plain, batch: Batch = batch, adam=adam) -> None:
            adam.zero_grad()
            logits = model(batch.ids)
            functional.binary_cross_entropy_with_logits(logits, batch.labels).backward()
            adam.step()

        name = f"train EulerNet {ORDERS}, batch {batch_size}"
        found.append(
            compare(f"{name}, dense", "rows", batch_size, step, plain_step, repeats=repeats)
        )
        found.append(
            compare(f"{name}, lazy", "rows", batch_size, lazy_step, plain_step, repeats=repeats)
        )
    return found


def scoring(table_rows: int, repeats: int) -> list[Comparison]:
    from types import SimpleNamespace

    from ctrkit.training import score

    rows = 40_960
    batch = make_batch(table_rows, rows)
    model = make_model(table_rows).eval()
    plain = PlainEulerNet(model).eval()
    examples = SimpleNamespace(ids=batch.ids.numpy(), labels=batch.labels.numpy(), values=None)

    def plain_score() -> None:
        with torch.no_grad():
            for start in range(0, rows, 4096):
                torch.sigmoid(plain(batch.ids[start : start + 4096]))

    name = f"score EulerNet {ORDERS}"
    return [
        compare(name, "rows", rows, lambda: score(model, examples), plain_score, repeats=repeats)
    ]


def area_under_curve(repeats: int) -> Comparison:
    generator = np.random.default_rng(0)
    scores = generator.random(5_000_000).astype(np.float32)
    labels = (generator.random(len(scores)) < scores).astype(np.uint8)
    assert abs(auc(labels, scores) - roc_auc_score(labels, scores)) < 1e-12
    return compare(
        "AUC of 5 M scores (scikit-learn)",
        "scores",
        len(scores),
        lambda: auc(labels, scores),
        lambda: roc_auc_score(labels, scores),
        repeats=repeats,
    )
