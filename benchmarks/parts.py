"""The small parts: dropout, table optimizers, embedding, each against PyTorch's own."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness import add_common, begin, compare, save
from benchmarks.suite import NUM_FIELDS, TABLE_ROWS, make_batch
from ctrkit.embedding import FeatureEmbedding
from ctrkit.ops.dropout import dropout
from ctrkit.training.optimizers.lazy_optimizers import LazyAdam, RowwiseAdagrad

ENTRIES = (512, 1248)


def add_to(parser: argparse.ArgumentParser) -> None:
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    x = torch.randn(ENTRIES, requires_grad=True)
    fields = FeatureEmbedding([TABLE_ROWS // NUM_FIELDS] * NUM_FIELDS, 16)
    plain = torch.nn.Embedding(TABLE_ROWS, 16)
    sparse_adam = _stepper(lambda tables: torch.optim.SparseAdam(tables))
    cases = [
        (
            "dropout, forward + backward, PyTorch",
            "entries",
            20 * x.numel(),
            lambda: _repeat(lambda: dropout(x, 0.2, training=True).sum().backward(), 20),
            lambda: _repeat(lambda: functional.dropout(x, 0.2).sum().backward(), 20),
        ),
        (
            "LazyAdam, batch 1024, SparseAdam",
            "rows",
            8192,
            _stepper(LazyAdam),
            sparse_adam,
        ),
        (
            "RowwiseAdagrad, batch 1024, SparseAdam",
            "rows",
            8192,
            _stepper(RowwiseAdagrad),
            sparse_adam,
        ),
        (
            "LazyAdam, batch 1024, Adam(fused)",
            "rows",
            8192,
            _stepper(LazyAdam),
            _stepper(lambda tables: torch.optim.Adam(tables, fused=True), sparse=False),
        ),
        (
            "embedding, batch 1024, nn.Embedding",
            "rows",
            8192,
            _lookup(fields),
            _lookup(lambda ids: plain(ids + fields.offsets_0)),
        ),
    ]
    found = [
        compare(name, unit, amount, ours, reference, repeats=arguments.repeats)
        for name, unit, amount, ours, reference in cases
    ]
    save("parts", found, threads=arguments.threads)


def _repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


def _stepper(
    make: Callable[..., torch.optim.Optimizer], *, sparse: bool = True
) -> Callable[[], None]:
    """Return the lookup, its gradient and the table's step, for 8 batches of 1024 rows."""
    embedding = FeatureEmbedding([TABLE_ROWS // NUM_FIELDS] * NUM_FIELDS, 16)
    embedding.sparse_gradient = sparse
    optimizer = make(list(embedding.tables))
    batches = make_batch(8192, table_rows=TABLE_ROWS).split(1024)

    def do() -> None:
        for batch in batches:
            optimizer.zero_grad()
            embedding(batch.ids).sum().backward()
            optimizer.step()

    return do


def _lookup(embedding: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    batches = make_batch(8192, table_rows=TABLE_ROWS).split(1024)

    def do() -> None:
        with torch.no_grad():
            for batch in batches:
                embedding(batch.ids)

    return do
