"""Crosses: combinations of fields as one more field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ctrkit.data.columns import mix, smallest
from ctrkit.data.encoding.buckets import number_ids
from ctrkit.data.encoding.statistics import Statistics
from ctrkit.data.reading import Cells, TokenCells
from ctrkit.data.schemas import parts_of


def category_cells(
    name: str, cells: Mapping[str, Cells], statistics: Mapping[str, Statistics]
) -> TokenCells:
    """Return the cells of a field or a combination of fields, of one category a row.

    Args:
        name: of the field, or ``"user+item"``.
        cells: of the fields, by name.
        statistics: of the numeric fields, whose categories are their buckets.
    """
    if name not in cells:
        return cross_cells([category_cells(part, cells, statistics) for part in parts_of(name)])
    found = cells[name]
    if isinstance(found, TokenCells):
        return found
    ids = number_ids(found.numbers, statistics[name].cuts)
    return TokenCells(found.codes, ids.astype(np.uint64))  # 0, a missing number, is MISSING_KEY


def cross_cells(parts: Sequence[TokenCells]) -> TokenCells:
    """Return the cells of a combination of fields.

    The key of a combination is made of those of its categories, in order::

        key = mix(... mix(mix(key_1) ^ key_2) ...)

    Example:
        >>> from ctrkit.data.columns import Tokens
        >>> user = TokenCells(np.array([0, 1, 0]), Tokens.from_texts(["ann", "bob"]).keys)
        >>> item = TokenCells(np.array([0, 0, 0]), Tokens.from_texts(["pen"]).keys)
        >>> cross_cells([user, item]).codes.tolist()
        [0, 1, 0]
    """
    codes = parts[0].codes.astype(np.int64)
    for part in parts[1:]:
        codes, _ = pd.factorize(codes * len(part.keys) + part.codes)
    # Some row of each combination; cells that no row holds have none.
    num_cells = int(codes.max(initial=-1)) + 1
    rows = np.zeros(num_cells, dtype=np.int64)
    rows[codes] = np.arange(len(codes))
    keys = np.zeros(num_cells, dtype=np.uint64)
    for part in parts:
        keys = mix(keys ^ part.keys[part.codes[rows]])
    return TokenCells(smallest(codes, num_cells), keys)
