"""What the tests of several models share: fixtures, and comparison to ten digits."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from ctrkit.models import CTRModel

GOLDEN = Path(__file__).parents[1] / "golden"

Arrays = dict[str, torch.Tensor]


def load(name: str) -> Arrays:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def part(golden: Arrays, prefix: str) -> Arrays:
    """Return the arrays whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}


def assert_close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def copy_linear(layer: nn.Linear, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight.view_as(layer.weight))
        if bias is not None:
            layer.bias.copy_(bias)


def assert_equals_fixture(model: CTRModel, golden: Arrays) -> None:
    """Compare logits, probabilities and the vectors' gradient; leaves gradients in the model."""
    vectors = golden["embeddings"].clone().requires_grad_()
    logits = model.interact(vectors)
    logits.sum().backward()
    assert_close(logits, golden["logits"])
    assert_close(torch.sigmoid(logits), golden["probabilities"])
    assert_close(vectors.grad, golden["grad_embeddings"])


def table_of(model: CTRModel, embeddings: torch.Tensor) -> torch.Tensor:
    """Write ``(B, F, D)`` vectors into the table; return the ids ``(B, F)`` that look them up.

    The model's fields must have B ids each.
    """
    rows, num_fields, dim = embeddings.shape
    with torch.no_grad():
        model.embedding.tables[0].copy_(embeddings.transpose(0, 1).reshape(-1, dim))
    return torch.arange(rows)[:, None].expand(rows, num_fields)
