"""Plain data and tensors out of a pickle, read by a small machine of our own that calls nothing.

A pickle is a program for a stack machine. The one here knows the operations that ``torch.save``
needs for plain data and tensors, and no others: there is nothing to execute, and a container is
used once, so that what comes out is no larger than what was read.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ctrkit.files import check_depth
from ctrkit.options import shown

MAX_BYTES = 32 << 20
MAX_OPERATIONS = 2_000_000
"""Most operations of a pickle: one tensor takes about 30, one validation of a run 25."""

MOST_SHARED = 16
"""Longest tuple that may be used twice."""

_ORDERED_DICT = "collections OrderedDict"
_REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
_STORAGES = {
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset({"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ATOMS = (str, int, float, type(None), Tensor)
_LARGEST_KEY = 1 << 31
_LARGEST_SIZE = 1 << 48
_MOST_DIMENSIONS = 16


@dataclass(frozen=True)
class _Reference:
    """A name of Python that a pickle refers to; nothing is imported by it."""

    name: str


@dataclass(frozen=True, eq=False)
class _Storage:
    """The numbers that tensors are made of, in a row."""

    numbers: Tensor


def read_pickle(pickled: bytes, storage: Callable[[str, torch.dtype], Tensor]) -> Any:
    """Return the plain data and tensors of a pickle.

    Args:
        pickled: the pickle.
        storage: returns the numbers ``(N,)`` that a key stands for.

    Raises:
        ValueError: if it holds anything else, or more than any checkpoint does.
    """
    if len(pickled) > MAX_BYTES:
        raise ValueError(f"its pickle must have at most {MAX_BYTES >> 20} MiB")
    machine = _Machine(storage)
    for number, (operation, argument, _) in enumerate(pickletools.genops(pickled)):
        if number > MAX_OPERATIONS:
            raise ValueError(f"its pickle must have at most {MAX_OPERATIONS:,} operations")
        try:
            machine.do(operation.name, argument)
        except IndexError as error:  # it takes more from the stack than there is
            raise ValueError(f"operation {number} of its pickle has no operand") from error
    return machine.result()


class _Machine:
    def __init__(self, storage: Callable[[str, torch.dtype], Tensor]) -> None:
        self.storage = storage
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def do(self, operation: str, argument: Any) -> None:
        """Execute an operation."""
        if operation in _VALUES:
            self.stack.append(argument)
        elif operation in _CONSTANTS:
            self.stack.append(_CONSTANTS[operation])
        elif operation in ("BINPUT", "LONG_BINPUT"):
            self._remember(argument)
        elif operation in ("BINGET", "LONG_BINGET"):
            self._recall(argument)
        elif operation == "MARK":
            self.marks.append(len(self.stack))
        elif operation in _TUPLES:
            self.stack.append(tuple(self._last(_TUPLES[operation])))
        elif operation == "TUPLE":
            self.stack.append(tuple(self._since_mark()))
        elif operation in ("EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT"):
            self.stack.append({"T": (), "L": [], "D": {}}[operation[6]])
        elif operation in ("APPEND", "APPENDS"):
            self._append(self._last(1) if operation == "APPEND" else self._since_mark())
        elif operation in ("SETITEM", "SETITEMS"):
            self._set_items(self._last(2) if operation == "SETITEM" else self._since_mark())
        elif operation == "GLOBAL":
            self._refer(argument)
        elif operation == "REDUCE":
            self._call(*self._last(2))
        elif operation == "BINPERSID":
            self._find_storage(*self._last(1))
        elif operation == "BUILD":
            self._check_metadata(*self._last(1))
        elif operation not in ("PROTO", "STOP"):
            raise ValueError(f"its pickle has an operation {operation}, which none here has")

    def result(self) -> Any:
        """Return what is on the stack at the end."""
        if len(self.stack) != 1 or self.marks:
            raise ValueError("its pickle does not end in one value")
        check_depth(self.stack[0])
        _check_plain(self.stack[0])
        return self.stack[0]

    def _last(self, count: int) -> list[Any]:
        """Take the last values, none of which lies below the last mark."""
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise IndexError
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def _since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def _remember(self, place: int) -> None:
        """Keep a value that may be used again: of no container, or data could grow without end."""
        value = self.stack[-1]
        is_short = type(value) is tuple and len(value) <= MOST_SHARED
        if isinstance(value, (*_ATOMS, _Reference)) or (
            is_short and all(isinstance(item, _ATOMS) for item in value)
        ):
            self.memo[place] = value

    def _recall(self, place: int) -> None:
        if place not in self.memo:
            raise ValueError("its pickle uses a list, a dict or nothing at all a second time")
        self.stack.append(self.memo[place])

    def _append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise ValueError(f"its pickle appends to a {type(target).__name__}")
        target += values

    def _set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise ValueError(f"its pickle sets items of a {type(target).__name__}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) is not str and not (type(key) is int and abs(key) < _LARGEST_KEY):
                raise ValueError(f"a key must be a text or a number, got {shown(key)}")
            target[key] = value

    def _refer(self, name: str) -> None:
        if name not in (_ORDERED_DICT, _REBUILD_TENSOR, *_STORAGES):
            raise ValueError(f"it refers to {shown(name.replace(' ', '.'))}, which is no tensor")
        self.stack.append(_Reference(name))

    def _call(self, function: Any, arguments: Any) -> None:
        if function == _Reference(_ORDERED_DICT) and arguments == ():
            self.stack.append({})
        elif function == _Reference(_REBUILD_TENSOR) and type(arguments) is tuple:
            self.stack.append(_tensor(arguments))
        else:
            raise ValueError("its pickle calls what makes no tensor")

    def _find_storage(self, wanted: Any) -> None:
        kinds = (str, _Reference, str, str, int)
        if type(wanted) is not tuple or tuple(map(type, wanted)) != kinds:
            raise ValueError("its pickle names the numbers of a tensor in no known way")
        _, reference, key, _, count = wanted
        if reference.name not in _STORAGES:
            raise ValueError(f"numbers must be of a known type, got {shown(reference.name)}")
        numbers = self.storage(key, _STORAGES[reference.name])
        if len(numbers) != count:
            raise ValueError(f"numbers {shown(key)} must be {shown(count)}, got {len(numbers)}")
        self.stack.append(_Storage(numbers))

    def _check_metadata(self, state: Any) -> None:
        """Leave out what PyTorch notes beside the weights of a module: the versions of its parts.

        No part of a model here has ever changed its version.
        """
        if type(self.stack[-1]) is not dict or type(state) is not dict or [*state] != ["_metadata"]:
            raise ValueError("its pickle sets attributes, which no data here have")


def _check_plain(content: Any) -> None:
    """Check that data, which are not deep, hold no half of a tensor."""
    if isinstance(content, (dict, list, tuple)):
        for item in content.values() if isinstance(content, dict) else content:
            _check_plain(item)
    elif not isinstance(content, _ATOMS):
        raise ValueError("its pickle holds the name of a function, not what it makes")


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    """Return the tensor that ``torch._utils._rebuild_tensor_v2`` makes of the same arguments.

    A tensor must have a number of the file for each of its own: one row that stands for a billion
    takes no room in the file.
    """
    kinds = (_Storage, int, tuple, tuple, bool, dict)
    if tuple(map(type, arguments)) != kinds or arguments[5]:
        raise ValueError("its pickle describes a tensor in no known way")
    numbers: Tensor = arguments[0].numbers
    offset, shape, strides = arguments[1:4]
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("a tensor must have a size and a step for each dimension")
    if any(type(n) is not int or not 0 <= n < _LARGEST_SIZE for n in (offset, *shape, *strides)):
        raise ValueError("a tensor must have whole numbers for sizes and steps")
    count = math.prod(shape)
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if count > len(numbers) or (count and last >= len(numbers)):
        raise ValueError(f"a tensor of shape {shown(shape)} has fewer numbers than that")
    if count and _overlap(shape, strides):
        raise ValueError(f"a tensor of shape {shown(shape)} must have numbers of its own")
    return numbers.as_strided(shape, strides, offset if count else 0)


def _overlap(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Return whether a number may stand in several places of a tensor: one row repeated."""
    last = 0
    for step, size in sorted(zip(strides, shape, strict=True)):
        if size > 1:
            if step <= last:
                return True
            last += (size - 1) * step
    return False
