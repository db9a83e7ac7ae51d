"""Read and check all rows of one part of prepared data."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ctrkit.arrays import Array
from ctrkit.data.encoding import Encoder
from ctrkit.data.storing.parts import IDS_FILE, LABELS_FILE, VALUES_FILE
from ctrkit.files import hex_crc32
from ctrkit.options import shown

_BLOCK_BYTES = 1 << 20
"""Rows are read by so many bytes, which stay in a processor's cache while they are checked."""

Check = Callable[[Array], tuple[int, str] | None]
"""Returns the first row of some that is wrong, and what is wrong with it."""


def check_stored_rows(
    folder: Path, arrays: Mapping[str, Array], encoder: Encoder, sums: Mapping[str, Any]
) -> None:
    """Read all rows of a part and check that they are unchanged.

    Args:
        folder: where they lie.
        arrays: their files by name, mapped.
        encoder: the encoder that made them.
        sums: CRC-32 of the numbers of each file, by its name.

    Raises:
        ValueError: if a file is damaged, an id is none of the encoder's, a label is not 0 or 1 or
            a value is not finite, naming file and row.
    """
    checks: dict[str, Check] = {
        IDS_FILE: _ids_of(encoder),
        LABELS_FILE: _wrong_label,
        VALUES_FILE: _wrong_value,
    }
    for name, array in arrays.items():
        found = _checked_crc32(folder / name, array, checks[name])
        if found != sums.get(name):
            raise ValueError(
                f"{folder / name} is damaged: its checksum is {found}, and was "
                f"{shown(sums.get(name))} when it was written; copy it again, or prepare the "
                "log again with force"
            )


def _checked_crc32(path: Path, array: Array, check: Check) -> str:
    """Return the CRC-32 of a file's numbers, after `check` passed all of them."""
    crc32 = 0
    rows = max(_BLOCK_BYTES // max(array[:1].nbytes, 1), 1)
    buffer = np.empty_like(array[:rows])
    # Read, not mapped, so that it does not count as memory in use.
    with path.open("rb") as file:
        file.seek(-array.nbytes, os.SEEK_END)
        for start in range(0, len(array), rows):
            block = buffer[: len(array) - start]
            file.readinto(block.data.cast("B"))
            crc32 = zlib.crc32(block.data, crc32)
            wrong = check(block)
            if wrong is not None:
                raise ValueError(f"{path}, row {start + wrong[0]}: {wrong[1]}")
    return hex_crc32(crc32)


def _ids_of(encoder: Encoder) -> Check:
    limits = encoder.slot_limits.astype(np.uint32)

    def wrong_id(ids: Array) -> tuple[int, str] | None:
        # As unsigned numbers, negative ids are too large as well.
        if (ids.view(np.uint32).max(axis=0) < limits).all():
            return None
        row, slot = (int(at[0]) for at in np.nonzero(ids.view(np.uint32) >= limits))
        return row, (
            f"field {encoder.slot_names[slot]} has id {ids[row, slot]} but its ids end at "
            f"{limits[slot] - 1}; encode with the schema of this folder"
        )

    return wrong_id


def _wrong_label(labels: Array) -> tuple[int, str] | None:
    if labels.max() <= 1:
        return None
    row = int(np.argmax(labels > 1))
    return row, f"a label must be 0 or 1, got {labels[row]}"


def _wrong_value(values: Array) -> tuple[int, str] | None:
    is_finite = np.isfinite(values).all(axis=1)
    if is_finite.all():
        return None
    row = int(np.argmin(is_finite))
    return row, f"values must be finite, got {values[row].tolist()}"
