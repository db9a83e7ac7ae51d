"""Rows that can be learnt from in a second, for the tests of training and distillation."""

from types import SimpleNamespace

import numpy as np


def make_rows(num_rows: int, seed: int = 0) -> SimpleNamespace:
    """Rows whose clicks depend on two of three fields."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 6, (num_rows, 3)).astype(np.int32)
    logits = np.where((ids[:, 0] < 3) == (ids[:, 1] < 3), 1.5, -1.5)
    labels = (generator.random(num_rows) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    return SimpleNamespace(ids=ids, labels=labels, values=None)
