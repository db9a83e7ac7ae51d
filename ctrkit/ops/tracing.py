"""Whether a model is being read by a compiler, which wants the plain form of an operation."""

from __future__ import annotations

import torch


def is_tracing() -> bool:
    """Return whether torch.compile or torch.export reads the model."""
    return torch.compiler.is_compiling()


def is_exporting() -> bool:
    """Return whether torch.export reads the model (before PyTorch 2.6: or torch.compile).

    What it makes must hold for any number of rows, and needs no gradient.
    """
    asked = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(asked())
