"""Damaged copies of a file: cut short, or with a single bit that differs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ctrkit.cli.errors import MISTAKES

FLIPS = 6
"""Bits of each file, one at a time."""


def damages(content: bytes, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield damaged contents and what was done to each."""
    draw = random.Random(seed)
    for length in sorted({0, 1, len(content) // 2, len(content) - 1}):
        if 0 <= length < len(content):
            yield f"cut to {length} of {len(content)} bytes", content[:length]
    for _ in range(FLIPS if content else 0):
        place, bit = draw.randrange(len(content)), draw.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place} flipped", bytes(flipped)


def survivors(folder: Path, read: Callable[[], Any], same: Callable[[Any, Any], bool]) -> list[str]:
    """Damage every file of a folder, one by one, and return what was taken for something else.

    Args:
        folder: whose files are damaged, and put back.
        read: reads all that matters; what it returns refers to no file.
        same: whether two such contents are equal.
    """
    whole = read()
    wrong = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        name = str(path.relative_to(folder))
        for what, damaged in damages(content, name):
            # A new file, as a copy is: what is mapped by an earlier reader must not change.
            path.unlink()
            path.write_bytes(damaged)
            try:
                if not same(read(), whole):
                    wrong.append(f"{name}, {what}: read as something else")
            except MISTAKES as error:
                if folder.name not in str(error):
                    wrong.append(f"{name}, {what}: {error!r} does not name it")
        path.unlink()
        path.write_bytes(content)
    return wrong
