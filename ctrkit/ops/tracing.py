"""Whether a model is being read by a compiler, which wants the plain form of an operation."""

from __future__ import annotations

import torch


def is_tracing() -> bool:
    """Return whether torch.compile or torch.export reads the model."""
    return torch.compiler.is_compiling()


KNOWS_EXPORT = hasattr(torch.compiler, "is_exporting")
"""Whether PyTorch tells export from compile: from version 2.6 on."""


def is_exporting() -> bool:
    """Return whether torch.export reads the model; False where PyTorch cannot tell.

    The exported program must hold for any number of rows, and needs no gradient.
    """
    return KNOWS_EXPORT and torch.compiler.is_exporting()
