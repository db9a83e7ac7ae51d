"""Columns of lists: ``Drama|Romance|War``."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ctrkit.data.guessing.samples import ColumnSample
from ctrkit.data.schemas import DEFAULT_SEPARATOR, MULTIVALUED, Field

LARGEST_GUESSED_SLOTS = 20
LEAST_ROWS = 0.1
"""Share of the rows that hold more than one item, at least."""

LEAST_SHARED = {"|": 0.9, "; ": 0.9, ";": 0.9, ", ": 0.95, ",": 0.95, " ": 0.98}
"""Separators, and the share of the items that stand in several different cells, at least."""

_MOST_TEXTS = 20_000
_MOST_CHARACTERS = 1 << 20
"""Of the texts that are cut into items, which take many times the memory."""

_NUMBER = re.compile(r"[^\w]{0,2}\d{1,3}(?:[., ]\d{3})*(?:[.,]\d+)?[^\w]{0,2}", re.ASCII)
"""A number with marks of thousands or a decimal comma, and a sign of a currency."""


@dataclass(frozen=True)
class Items:
    """The items of a column of lists.

    Args:
        separator: between two of them.
        distinct: how many different ones there are.
        most: how many the longest list has.
    """

    separator: str
    distinct: int
    most: int

    @classmethod
    def of_lists(cls, texts: Sequence[str], separator: str) -> Items:
        """Return the items of some lists."""
        lists = [[item for item in text.split(separator) if item] for text in texts]
        distinct = set(itertools.chain.from_iterable(lists))
        return cls(separator, len(distinct), max(map(len, lists), default=0))

    def reason(self) -> str:
        """Return what tells that these are lists."""
        return f"lists of {self.distinct:,} different items, at most {self.most} in a cell"

    def field(self, name: str) -> Field:
        """Return the field that such a column becomes."""
        separator = None if self.separator == DEFAULT_SEPARATOR else self.separator
        slots = max(min(self.most, LARGEST_GUESSED_SLOTS), 1)
        return Field(name, MULTIVALUED, separator=separator, max_slots=slots)


def items_of(sample: ColumnSample) -> Items | None:
    """Return the items if a column holds lists, else None."""
    sizes = itertools.accumulate(map(len, sample.texts[:_MOST_TEXTS]))
    texts = sample.texts[: sum(size <= _MOST_CHARACTERS for size in sizes)]
    total = int(sample.counts[: len(texts)].sum())
    for separator in LEAST_SHARED:
        rows = sum(
            count
            for text, count in zip(texts, sample.counts.tolist(), strict=False)
            if separator in text
        )
        if rows >= LEAST_ROWS * total:
            found = _items(texts, separator)
            if found is not None:
                return found
    return None


def _items(texts: Sequence[str], separator: str) -> Items | None:
    if separator != DEFAULT_SEPARATOR and all(map(_NUMBER.fullmatch, texts)):
        return None
    lists = [[item for item in text.split(separator) if item] for text in texts]
    sizes = {len(items) for items in lists}
    if len(sizes) == 1:
        return None  # parts of one text, as of a name or a size
    counts = Counter(itertools.chain.from_iterable(map(set, lists)))
    num_items = counts.total()
    shared = sum(count for count in counts.values() if count > 1)
    # Words of a text are many; items of a list are few, and differently combined.
    most = len(texts) - 1 if separator == DEFAULT_SEPARATOR else len(texts) / 2
    if len(counts) > most or shared < LEAST_SHARED[separator] * num_items:
        return None
    return Items(separator, len(counts), max(sizes))
