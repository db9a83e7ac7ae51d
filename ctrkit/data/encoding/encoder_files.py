"""The parts of an encoder, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ctrkit.data.encoding.click_count_files import (
    CLICK_COUNTS_FOLDER,
    read_click_counts,
    read_histories,
)
from ctrkit.data.encoding.click_history import ClickCounts, ClickHistory
from ctrkit.data.encoding.schema_file import (
    SCHEMA_FILE,
    check_version,
    entry_of,
    read_schema_file,
)
from ctrkit.data.encoding.statistics import Statistics
from ctrkit.data.encoding.vocabulary import Vocabulary
from ctrkit.data.encoding.vocabulary_files import VOCABULARY_FOLDER, file_names, read_vocabulary
from ctrkit.data.schemas import Schema
from ctrkit.files import part_of
from ctrkit.options import check_choice

ENCODER_FOLDERS = (VOCABULARY_FOLDER, CLICK_COUNTS_FOLDER)
"""Folders that an encoder writes beside ``schema.json``."""


class EncoderParts(NamedTuple):
    """What an `Encoder` is built from."""

    schema: Schema
    vocabularies: dict[str, Vocabulary]
    statistics: dict[str, Statistics]
    crosses: dict[str, ClickCounts]
    histories: dict[str, ClickHistory]


def read_encoder_parts(folder: Path) -> EncoderParts:
    """Read what `Encoder.save` wrote; see `Encoder.load`."""
    plain = read_schema_file(folder)
    check_version(plain, folder)
    where = folder / SCHEMA_FILE
    sizes = entry_of(plain, "vocabulary_sizes", where=where, kind=dict)
    try:
        schema = Schema.from_mapping(entry_of(plain, "schema", where=where, kind=dict))
        names = file_names(schema)
        for name in sizes:
            if name not in names:
                check_choice("field", name, names)
        paths = {name: part_of(folder, VOCABULARY_FOLDER, names[name]) for name in sizes}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} is damaged: {error}") from error
    vocabularies = {}
    for name, path in paths.items():
        crc32 = entry_of(plain, "vocabulary_crc32", name, where=where, kind=str)
        vocabularies[name] = read_vocabulary(path, sizes[name], crc32)
    fields = [*(field.name for field in schema.model_fields), *schema.crosses]
    click_counts = read_click_counts(folder, plain, fields)
    return EncoderParts(
        schema,
        vocabularies,
        _statistics(plain, where),
        {name: found for name, found in click_counts.items() if name in schema.crosses},
        read_histories(plain, click_counts, where),
    )


def _statistics(plain: Mapping[str, Any], where: Path) -> dict[str, Statistics]:
    found = {}
    for name, given in entry_of(plain, "statistics", where=where, kind=dict).items():
        mean, deviation = (
            entry_of(plain, "statistics", name, key, where=where, kind=float)
            for key in ("mean", "deviation")
        )
        try:
            cuts = np.array(given.get("cuts", []), dtype=np.float64)
            found[name] = Statistics(mean, deviation, cuts)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} is damaged: statistics of {name}: {error}") from error
    return found
