"""Build a model on the device "meta", where tensors have shapes but no numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class NothingFilled(TorchFunctionMode):
    """Skips what only changes the numbers of a tensor on "meta", which has none.

    Filling there has no effect but to import PyTorch's compiler, which takes seconds. What is
    skipped follows from how PyTorch names and marks its functions: `torch.nn.init`, operations in
    place (``normal_``) that are not marked as changing a shape, and those with an ``out``. All
    others run, so that the shapes of what a constructor computes are right.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the tensor that would be filled, or what any other function returns."""
        given = dict(kwargs or {})
        filled = given.get("out")
        if filled is None and _only_fills(func):
            filled = args[0] if args else given.get("tensor")
        if isinstance(filled, torch.Tensor) and filled.is_meta:
            return filled
        return func(*args, **given)


@cache
def _only_fills(func: Any) -> bool:
    """Return whether a function changes the numbers of its first tensor and nothing else."""
    name = getattr(func, "__name__", "")
    if not name.endswith("_") or name.endswith("__"):
        return False
    if getattr(func, "__module__", None) == "torch.nn.init":
        return True
    operation = getattr(torch.ops.aten, name, None)
    if operation is None or name == "requires_grad_":
        return False
    overloads = (getattr(operation, overload) for overload in operation.overloads())
    return not any(torch.Tag.inplace_view in overload.tags for overload in overloads)
