"""The models and rows that benchmarks measure: Criteo's shape, 39 fields of width 16."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ctrkit.models import CIN, DAGFM, Batch, CrossNet, CTRModel, DCNv2, EulerNet

NUM_FIELDS, EMBEDDING_DIM = 39, 16
TABLE_ROWS = 1_500_000

MODELS = ("eulernet", "crossnet", "dcnv2", "dagfm inner", "dagfm outer", "dagfm kernel", "cin")

MOST_CIN_ROWS = 256
"""Rows that a CIN is given at a time: the plain one keeps 2.3 MB for every row."""

STUDENTS = [
    (student, teacher)
    for teacher in ("crossnet", "cin")
    for student in ("dagfm inner", "dagfm outer")
]
"""Students and the teachers they are compared with."""


def make_model(
    name: str,
    *,
    table_rows: int = 2 * NUM_FIELDS,
    num_fields: int = NUM_FIELDS,
    embedding_dim: int = EMBEDDING_DIM,
) -> CTRModel:
    """Build a model of `MODELS`, in its published size, with equal fields."""
    torch.manual_seed(0)
    cardinalities = [table_rows // num_fields] * num_fields
    kind, _, interaction = name.partition(" ")
    if kind == "dagfm":
        return DAGFM(cardinalities, embedding_dim=embedding_dim, interaction=interaction)
    kinds: dict[str, type[CTRModel]] = {
        "eulernet": EulerNet,
        "crossnet": CrossNet,
        "dcnv2": DCNv2,
        "cin": CIN,
    }
    return kinds[kind](cardinalities, embedding_dim=embedding_dim)


def make_batch(
    rows: int, *, table_rows: int = 2 * NUM_FIELDS, num_fields: int = NUM_FIELDS, seed: int = 0
) -> Batch:
    """Draw rows whose frequent ids are frequent, as in a log: powers crowd near 0."""
    generator = np.random.default_rng(seed)
    share = generator.random((rows, num_fields)) ** 4
    ids = (share * (table_rows // num_fields)).astype(np.int32)
    labels = (generator.random(rows) < 0.25).astype(np.float32)
    return Batch(torch.from_numpy(ids), torch.from_numpy(labels))


def make_vectors(
    rows: int, *, num_fields: int = NUM_FIELDS, embedding_dim: int = EMBEDDING_DIM
) -> Tensor:
    """Draw embedded rows ``(rows, F, D)``."""
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(rows, num_fields, embedding_dim, generator=generator)
