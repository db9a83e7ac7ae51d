"""The matrix products of a step alone, against the plain way: about the most that can be won."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.harness import add_common, begin, compare_apart, save
from benchmarks.score import make_plain as make_plain_scores
from benchmarks.side import Work
from benchmarks.suite import MODELS, MOST_CIN_ROWS, TABLE_ROWS, make_batch, make_model
from benchmarks.train import ROWS_PER_CALL, make_plain
from ctrkit.machine.devices import full_rate
from ctrkit.training import TrainConfig
from ctrkit.training.scoring import eval_mode
from ctrkit.training.step import TrainStep

PRODUCTS = {
    getattr(torch.ops.aten, name)
    for name in ("mm", "addmm", "addmm_", "bmm", "baddbmm", "baddbmm_", "addbmm", "addmv", "mv")
}
"""Operations, in all their overloads, that PyTorch's other products come down to."""


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    found = []
    for name in arguments.models:
        batch_size = MOST_CIN_ROWS if name == "cin" else ROWS_PER_CALL
        options = {"name": name, "rows": batch_size}
        step = {"batch_size": batch_size, "table_rows": TABLE_ROWS}
        kinds = {
            "train": Work(make_plain, {**options, **step}),
            "score": Work(make_plain_scores, options),
        }
        for kind, plain in kinds.items():
            found.append(
                compare_apart(
                    f"{kind} {name}, batch {batch_size}, products alone, the plain way",
                    "rows",
                    batch_size,
                    Work(make_products, {**options, "kind": kind}),
                    plain,
                    threads=arguments.threads,
                    repeats=arguments.repeats,
                    details={"model": name, "kind": kind, "batch_size": batch_size},
                )
            )
    save("products", found, table_rows=TABLE_ROWS)


class Recorder(TorchDispatchMode):
    """Keeps every matrix product that runs in it, forward or backward, with what it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in PRODUCTS:
            self.products.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def make_products(name: str, rows: int, kind: str) -> Callable[[], None]:
    """Return the products of our own step or scoring, with our kernel, and nothing else."""
    model = make_model(name)
    step = TrainStep(model, TrainConfig(batch_size=rows))
    batch = make_batch(rows)
    recorder = Recorder()
    chunks = batch.split(step.chunk_rows)
    if kind == "train":
        with recorder:
            step._of_chunk(chunks[0], 1.0, seed=0)
    else:
        with eval_mode(model), torch.no_grad(), recorder:
            model(chunks[0].ids)

    def do() -> None:
        with full_rate(step.device), torch.no_grad():
            for _ in chunks:
                for product, args, kwargs in recorder.products:
                    product(*args, **kwargs)

    return do
