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


def _categorical(
    name: str,
    seed: int,
    *,
    head: int | Sequence[int],
    skew: float,
    shift: float = 1.0,
    tail: float = 0.0,
    size: int = 0,
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


def _integer(
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


def criteo_layout(seed: int, tail_start: float) -> LogLayout:
    """Return the 13 integers and 26 categorical columns of a Criteo log."""
    missing_rates = {
        "I1 I10": 0.45,
        "I3": 0.21,
        "I4 I13": 0.21,
        "I5": 0.026,
        "I6": 0.22,
        "I7 I9 I11": 0.043,
        "I12": 0.76,
        "C3 C4 C12 C16 C21 C24": 0.034,
        "C6": 0.12,
        "C19 C20 C25 C26": 0.44,
        "C22": 0.76,
    }
    cohorts = {name: cohort for cohort in missing_rates for name in cohort.split()}

    def integer(
        name: str, median: float, ninetieth: float, largest: int, negative: float = 0.0
    ) -> GeneratedColumn:
        return _integer(
            name,
            median=median,
            ninetieth=ninetieth,
            largest=largest,
            negative=negative,
            cohort=cohorts.get(name, ""),
        )

    def category(
        name: str, head: int, skew: float, shift: float = 1.0, tail: float = 0.0, size: int = 0
    ) -> GeneratedColumn:
        return _categorical(
            name,
            seed,
            head=head,
            skew=skew,
            shift=shift,
            tail=tail,
            size=size,
            start=tail_start,
            cohort=cohorts.get(name, ""),
        )

    fields = (
        integer("I1", 1, 9, 5_775),
        integer("I2", 5, 190, 257_675, negative=0.10),
        integer("I3", 6, 44, 65_535),
        integer("I4", 4, 18, 969),
        integer("I5", 2_805, 34_000, 23_159_456),
        integer("I6", 32, 278, 431_037),
        integer("I7", 3, 34, 56_311),
        integer("I8", 7, 34, 6_047),
        integer("I9", 38, 260, 29_019),
        integer("I10", 1.05, 1.78, 11),
        integer("I11", 1, 6, 231),
        integer("I12", 0.4, 2, 4_008),
        integer("I13", 4, 21, 7_393),
        category("C1", 60, 1.5, 1, 0.01, 1_460),
        category("C2", 100, 0.8, 2, 0.005, 583),
        category("C3", 80, 0.7, 1, 0.60, 10_131_227),
        category("C4", 100, 0.8, 1, 0.40, 2_202_608),
        category("C5", 20, 2.0, 1, 0.005, 305),
        category("C6", 8, 1.2, 1, 0.001, 24),
        category("C7", 100, 0.5, 3, 0.06, 12_517),
        category("C8", 40, 1.8, 1, 0.01, 633),
        category("C9", 3, 3.2),
        category("C10", 80, 1.1, 1, 0.20, 93_145),
        category("C11", 100, 0.6, 1, 0.03, 5_683),
        category("C12", 80, 0.7, 1, 0.55, 8_351_593),
        category("C13", 100, 0.6, 1, 0.015, 3_194),
        category("C14", 27, 1.3),
        category("C15", 100, 0.5, 3, 0.06, 14_992),
        category("C16", 80, 0.7, 1, 0.50, 5_461_306),
        category("C17", 10, 1.2),
        category("C18", 100, 0.7, 1, 0.03, 5_652),
        category("C19", 60, 1.6, 1, 0.02, 2_173),
        category("C20", 3, 0.05),
        category("C21", 80, 0.7, 1, 0.52, 7_046_547),
        category("C22", 8, 1.8, 1, 0.001, 18),
        category("C23", 14, 1.2),
        category("C24", 80, 0.8, 1, 0.30, 286_181),
        category("C25", 40, 0.8, 1, 0.01, 105),
        category("C26", 80, 0.8, 1, 0.35, 142_572),
    )
    return LogLayout(fields=fields, missing_rates=missing_rates)


def avazu_layout(seed: int, tail_start: float) -> LogLayout:
    """Return the columns of an Avazu log after id, click and hour."""

    def category(
        name: str,
        head: int | Sequence[int],
        skew: float,
        shift: float = 1.0,
        tail: float = 0.0,
        size: int = 0,
    ) -> GeneratedColumn:
        return _categorical(
            name, seed, head=head, skew=skew, shift=shift, tail=tail, size=size, start=tail_start
        )

    fields = (
        category("C1", [1005, 1002, 1010, 1012, 1007, 1001, 1008], 3.5),
        category("banner_pos", [0, 1, 7, 2, 4, 5, 3], 2.0),
        category("site_id", 150, 1.1, 1, 0.05, 4_737),
        category("site_domain", 120, 1.2, 1, 0.04, 7_745),
        category("site_category", 26, 1.3),
        category("app_id", 120, 1.5, 1, 0.08, 8_552),
        category("app_domain", 30, 1.8, 1, 0.01, 559),
        category("app_category", 36, 1.7),
        category("device_id", 2, 8.0, 1, 0.18, 2_686_408),
        category("device_ip", 100, 0.4, 1, 0.93, 6_729_486),
        category("device_model", 250, 0.7, 1, 0.25, 8_251),
        category("device_type", [1, 0, 4, 5, 2], 3.5),
        category("device_conn_type", [0, 2, 3, 5], 3.0),
        category("C14", range(375, 375 + 9 * 2_600, 9), 0.9, 2),
        category("C15", [320, 300, 216, 728, 120, 1024, 480, 768], 3.8),
        category("C16", [50, 250, 36, 480, 90, 20, 768, 320, 1024], 3.8),
        category("C17", range(112, 112 + 6 * 435, 6), 0.9, 1),
        category("C18", [0, 3, 2, 1], 0.8),
        category("C19", range(33, 33 + 27 * 68, 27), 1.3),
        category("C20", [-1, *range(100_000, 100_171)], 1.0),
        category("C21", range(1, 241, 4), 0.9),
    )
    return LogLayout(fields=fields, missing_rates={})
