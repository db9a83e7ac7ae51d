"""Is a file the archive of tensors that ``torch.save`` writes, whole and with nothing else in it?

``torch.load(weights_only=True)`` executes nothing, but it does not look at the checksums of the
archive, unpacks what is compressed, and lets the file ask for memory that it does not fill. So the
file is looked at first.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ctrkit.files import check_is_file

_GLOBALS = re.compile(
    r"collections OrderedDict|torch Size|torch\._utils _rebuild_(tensor_v2|parameter)|torch \w+"
)
"""What a pickle of tensors and plain data refers to; of ``torch NAME``, types only."""

_OTHER_REFERENCES = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}


def check_archive(path: Path) -> None:
    """Read a file of `ctrkit.training.checkpoint` as bytes, and make sure that it can be loaded.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a part of it is damaged or compressed, or its pickle refers to anything but
            tensors.
        zipfile.BadZipFile: if it is no archive.
    """
    check_is_file(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            raise ValueError("two parts of the archive have the same name")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise ValueError(f"part {entry.filename} is compressed")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("the parts of the archive are larger than the file")
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"part {damaged} is damaged, as its checksum shows")
        pickles = [name for name in names if name.endswith(".pkl")]
        if [name.rpartition("/")[2] for name in pickles] != ["data.pkl"]:
            raise ValueError(f"it must hold one data.pkl, got {pickles}")
        _check_pickle(archive.read(pickles[0]))


def _check_pickle(pickled: bytes) -> None:
    """Raise ``ValueError`` where a pickle refers to more than tensors; it is not unpickled."""
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name in _OTHER_REFERENCES:
            raise ValueError(f"its pickle has an operation {operation.name}, which none here has")
        if operation.name == "GLOBAL" and not _is_harmless(str(argument)):
            raise ValueError(f"it refers to {str(argument).replace(' ', '.')}, which is no tensor")


def _is_harmless(reference: str) -> bool:
    if not _GLOBALS.fullmatch(reference):
        return False
    module, name = reference.split(" ")
    if module != "torch" or name == "Size":
        return True
    return name.endswith("Storage") or isinstance(getattr(torch, name, None), torch.dtype)


def check_tensors(content: Any) -> None:
    """Make sure that every tensor in loaded data is backed by as many bytes as it has.

    Raises:
        ValueError: if one is larger: a row repeated a billion times takes no room in the file.
    """
    for tensor in _tensors(content):
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise ValueError(f"a tensor must hold its numbers, got one {tensor.layout}")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"a tensor of shape {tuple(tensor.shape)} has fewer numbers than that")


def _tensors(content: Any) -> Iterator[Tensor]:
    waiting, seen = [content], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:  # a list may hold itself
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, (list, tuple)):
            waiting += item
