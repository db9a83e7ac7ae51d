"""The columns of generated logs: which values they hold, how often, and how rows are drawn.

A column is a table of *entries*. Entry 0 is the empty cell, entry 1 stands for the endless tail of
values that are hardly ever seen twice, and every other entry is one value. A cell costs 16 random
bits, which `slots` maps to an entry; only tail cells cost a second number.

Cardinalities and missing rates are those of the public Criteo and Avazu logs, shares of the same
order of magnitude; every value is made up.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctrkit.data import log_squared_bucket, mix
from ctrkit.synthetic.text_matrix import EMPTY, TextCodes, hex_tokens, text_tokens

NUM_SLOTS = 1 << 16
MISSING_ENTRY = 0
TAIL_ENTRY = 1
NUM_SPECIAL_ENTRIES = 2

# Values of the head are numbered from here, those of the tail from 0.
_HEAD_NUMBERS = np.uint64(1 << 48)

Entries = npt.NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Values past the head of a field: number ``size * u**3`` for u uniform in [start, 1).

    The cube makes P(r) fall like r^(-2/3): some come back, most are seen once, and new ones keep
    coming for as long as the log grows. `start` leaves out the most frequent part of the law, as
    every value that just passes a vocabulary's threshold takes a vector of its own, fitted to
    noise, and thousands of them would put the best AUC out of any model's reach.
    """

    salt: np.uint64
    size: int
    start: float

    def draw(self, generator: np.random.Generator, count: int) -> TextCodes:
        """Return the tokens of `count` tail values."""
        position = self.start + (1 - self.start) * generator.random(count)
        ranks = (self.size * position**3).astype(np.uint64)
        return hex_tokens(mix(ranks ^ self.salt))


@dataclass(frozen=True, kw_only=True)
class GeneratedColumn:
    """One generated column.

    Args:
        name: its name.
        slots: the entry of each of the ``NUM_SLOTS`` equally likely draws.
        tokens: the text of each entry.
        units: what an encoded row still shows of each entry: itself, or the integer's bucket.
        cohort: columns of one cohort are empty in the same rows; "" for never empty.
        tail: where the values of the tail entry come from.
    """

    name: str
    slots: Entries
    tokens: TextCodes
    units: npt.NDArray[np.intp]
    cohort: str
    tail: Tail | None

    def unit_shares(self, missing_rate: float) -> npt.NDArray[np.float64]:
        """Return the share of rows that show each unit."""
        counts = np.bincount(self.units[self.slots], minlength=int(self.units.max()) + 1)
        shares: npt.NDArray[np.float64] = counts / NUM_SLOTS * (1 - missing_rate)
        shares[MISSING_ENTRY] = missing_rate
        return shares


@dataclass(frozen=True, kw_only=True)
class LogLayout:
    """The columns of a format, in order, and how often each cohort of columns is empty."""

    fields: tuple[GeneratedColumn, ...]
    missing_rates: dict[str, float]

    def missing_rate(self, field: GeneratedColumn) -> float:
        """Return the share of rows in which a field is empty."""
        return self.missing_rates.get(field.cohort, 0.0)

    def draw(self, generator: np.random.Generator, num_rows: int) -> list[Entries]:
        """Return the entries of every field, for `num_rows` rows."""
        present = {
            cohort: _draw_slots(generator, num_rows) >= round(rate * NUM_SLOTS)
            for cohort, rate in self.missing_rates.items()
        }
        columns = []
        for field in self.fields:
            entries = field.slots[_draw_slots(generator, num_rows)]
            if field.cohort:
                entries *= present[field.cohort]  # entry 0 is the empty cell
            columns.append(entries)
        return columns

    def draw_tokens(
        self, field: GeneratedColumn, entries: Entries, generator: np.random.Generator
    ) -> TextCodes:
        """Return the text of a field's cells, with tail values drawn from `generator`."""
        tokens = field.tokens[entries]
        if field.tail is not None:
            rows = np.flatnonzero(entries == TAIL_ENTRY)
            tokens[rows] = field.tail.draw(generator, len(rows))
        return tokens


def _draw_slots(generator: np.random.Generator, num_rows: int) -> Entries:
    return generator.integers(0, NUM_SLOTS, num_rows, dtype=np.uint16)


def categorical(
    name: str,
    head: int | Sequence[int],
    skew: float,
    shift: float = 1.0,
    tail: float = 0.0,
    size: int = 0,
    *,
    seed: int,
    start: float,
    cohort: str = "",
) -> GeneratedColumn:
    """Return a column whose value r has a share like ``(r + shift)^-skew``, besides the tail's.

    `head` is the number of values in the head (eight hex digits each), or the whole numbers that
    stand for them; `size` the number of values in the tail.
    """
    numbers = range(head) if isinstance(head, int) else head
    weights = (np.arange(len(numbers)) + shift) ** -skew
    shares = np.concatenate([[tail], (1 - tail) * weights / weights.sum()])
    bounds = np.rint(np.cumsum(shares) * NUM_SLOTS).astype(np.int64)
    slots = np.searchsorted(bounds, np.arange(NUM_SLOTS), side="right") + TAIL_ENTRY
    # The name keeps values of equal rank in two fields from sharing a token.
    name_and_seed = np.random.SeedSequence([zlib.crc32(name.encode()), seed])
    salt = np.uint64(name_and_seed.generate_state(1, np.uint64)[0])
    if isinstance(head, int):
        text = hex_tokens(mix((_HEAD_NUMBERS + np.arange(head, dtype=np.uint64)) ^ salt))
    else:
        text = text_tokens(list(head))
    return GeneratedColumn(
        name=name,
        slots=slots.astype(np.uint16),
        tokens=np.concatenate([np.full(NUM_SPECIAL_ENTRIES, EMPTY), text]),
        units=np.arange(len(numbers) + NUM_SPECIAL_ENTRIES),
        cohort=cohort,
        tail=Tail(salt=salt, size=size, start=start) if tail else None,
    )


def integer(
    name: str,
    *,
    median: float,
    ninetieth: float,
    largest: int,
    negative: float = 0.0,
    cohort: str = "",
) -> GeneratedColumn:
    """Return a column of whole numbers, log-logistic with the given quantiles."""
    chances = (np.arange(NUM_SLOTS) + 0.5) / NUM_SLOTS
    above = np.maximum(chances - negative, 0.5 / NUM_SLOTS) / (1 - negative)
    shape = np.log((ninetieth + 1) / (median + 1)) / np.log(9)
    drawn = np.floor((median + 1) * (above / (1 - above)) ** shape) - 1
    values = np.clip(drawn, 0, largest).astype(np.int64)
    values[chances < negative] = -1
    values[chances < negative / 100] = -2
    distinct, slots = np.unique(values, return_inverse=True)
    _, buckets = np.unique(log_squared_bucket(distinct), return_inverse=True)
    return GeneratedColumn(
        name=name,
        slots=(slots + NUM_SPECIAL_ENTRIES).astype(np.uint16),
        tokens=np.concatenate([np.full(NUM_SPECIAL_ENTRIES, EMPTY), text_tokens(distinct)]),
        units=np.concatenate([np.arange(NUM_SPECIAL_ENTRIES), buckets + NUM_SPECIAL_ENTRIES]),
        cohort=cohort,
        tail=None,
    )
