"""Click counts of an encoder in a folder, one ``.npy`` file each."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ctrkit.data.encoding.click_history import MAX_HISTORY_KEYS, ClickCounts, ClickHistory
from ctrkit.data.encoding.schema_file import SCHEMA_FILE, entry_of
from ctrkit.data.encoding.vocabulary_files import numbered_names
from ctrkit.files import crc32_of, map_array, part_of, write_together
from ctrkit.options import check_choice, shown

CLICK_COUNTS_FOLDER = "click_counts"


def save_click_counts(
    folder: Path, field_names: Sequence[str], click_counts: Mapping[str, ClickCounts]
) -> dict[str, Any]:
    """Write click counts; return what ``schema.json`` says of each, by the name of its field.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder = folder / CLICK_COUNTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    names = numbered_names(field_names, ".npy")
    write_together(folder, ((names[name], _content(one)) for name, one in click_counts.items()))
    return {
        name: {"file": names[name], "crc32": crc32_of(one.array())}
        for name, one in click_counts.items()
    }


def remove_other_click_counts(
    folder: Path, field_names: Sequence[str], click_counts: Mapping[str, ClickCounts]
) -> None:
    """Remove the files of click counts that are none of these."""
    names = numbered_names(field_names, ".npy")
    kept = {names[name] for name in click_counts}
    for path in (folder / CLICK_COUNTS_FOLDER).glob("*.npy"):
        if path.name not in kept:
            path.unlink()


def _content(click_counts: ClickCounts) -> Iterator[bytes]:
    file = io.BytesIO()
    np.save(file, click_counts.array())
    yield file.getvalue()


def read_click_counts(
    folder: Path, plain: Mapping[str, Any], field_names: Sequence[str]
) -> dict[str, ClickCounts]:
    """Return the click counts that ``schema.json`` names, by the name of the field.

    Args:
        folder: of the encoder.
        plain: the content of its ``schema.json``.
        field_names: of the model.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one is damaged.
    """
    where = folder / SCHEMA_FILE
    names = numbered_names(field_names, ".npy")
    found = {}
    for name in plain.get("click_counts", {}):
        try:
            check_choice("field", name, names)
            path = part_of(folder, CLICK_COUNTS_FOLDER, names[name])
        except ValueError as error:
            raise ValueError(f"{where} is damaged: {error}") from error
        crc32 = entry_of(plain, "click_counts", name, "crc32", where=where, kind=str)
        array = map_array(path, "<u8", 2)
        if array.shape[1] != 3 or len(array) > MAX_HISTORY_KEYS or crc32_of(array) != crc32:
            raise ValueError(
                f"{path} is damaged: its checksum or size differs from those in {where}; "
                "copy it again, or make the folder again"
            )
        counts = np.array(array[:, 1:], dtype=np.int64)
        if (counts[:, 1] > counts[:, 0]).any() or counts.min(initial=0) < 0:
            raise ValueError(f"{path} is damaged: a category has more clicks than rows")
        try:
            found[name] = ClickCounts(np.array(array[:, 0]), counts)
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error
    return found


def read_histories(
    plain: Mapping[str, Any], click_counts: Mapping[str, ClickCounts], where: Path
) -> dict[str, ClickHistory]:
    """Return the histories that ``schema.json`` describes.

    Raises:
        ValueError: if the description is damaged.
    """
    found = {}
    for name in plain.get("histories", {}):
        if name not in click_counts:
            raise ValueError(f"{where} is damaged: click_counts must hold {shown(name)}")
        base_rate, smoothing = (
            entry_of(plain, "histories", name, key, where=where, kind=float)
            for key in ("base_rate", "smoothing")
        )
        means, deviations = (
            entry_of(plain, "histories", name, key, where=where, kind=list)
            for key in ("means", "deviations")
        )
        try:
            found[name] = ClickHistory(
                click_counts[name], base_rate, smoothing, tuple(means), tuple(deviations)
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} is damaged: history of {shown(name)}: {error}") from error
    return found
