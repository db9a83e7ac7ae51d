"""The index of a frame in a Parquet file, as pandas describes it there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from ctrkit.options import shown

MAX_NOTES_BYTES = 16 << 20
"""Longest notes that are read; those of 20,000 columns take some 4 MiB."""

_UNNAMED = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True)
class PandasIndex:
    """What becomes of the index: a named one is a column, an unnamed one is left out.

    Args:
        unnamed: columns that hold an index without a name.
        ranges: name, start and step of named indexes that count rows and are no columns.
    """

    unnamed: frozenset[str]
    ranges: tuple[tuple[str, int, int], ...]

    @classmethod
    def of(cls, schema: Any) -> Self:
        """Return the index that the notes in a file's schema describe; none without notes.

        Raises:
            ValueError: if the notes are damaged.
        """
        notes = (schema.metadata or {}).get(b"pandas", b"{}")
        if len(notes) > MAX_NOTES_BYTES:
            raise ValueError(
                f"its notes for pandas must be at most {MAX_NOTES_BYTES >> 20} MiB, "
                f"got {len(notes):,} bytes"
            )
        try:
            plain = json.loads(notes)
            entries = plain.get("index_columns", [])
            names = [entry for entry in entries if isinstance(entry, str)]
            ranges = [
                (str(entry["name"]), int(entry["start"]), int(entry["step"]))
                for entry in entries
                if not isinstance(entry, str) and entry["name"] is not None
            ]
        except (LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"its notes for pandas are damaged: {shown(str(error))}") from error
        except RecursionError as error:
            raise ValueError("its notes for pandas are nested too deeply") from error
        return cls(
            frozenset(name for name in names if _UNNAMED.fullmatch(name)),
            tuple(entry for entry in ranges if entry[0] not in schema.names),
        )

    def applied(self, frame: pd.DataFrame, start: int) -> pd.DataFrame:
        """Return some rows of the file with the index as columns.

        Args:
            frame: the rows.
            start: number of the first of them in the file, from 0.
        """
        frame = frame.loc[:, ~frame.columns.isin(list(self.unnamed))]
        rows = range(start, start + len(frame))
        counted = {
            name: np.array([first + step * row for row in rows])
            for name, first, step in self.ranges
        }
        return frame.assign(**counted)
