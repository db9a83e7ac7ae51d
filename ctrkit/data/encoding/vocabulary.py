"""Categories and their ids: `Vocabulary`, fitted without holding all categories in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit.data.columns import MISSING_KEY, Keys, Tokens, mix
from ctrkit.fields import MISSING_ID, NUM_RESERVED_IDS, RARE_ID

Ids = npt.NDArray[np.int32]

_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"))
_PIECE_BYTES = 1 << 20


class Vocabulary:
    """The categories of a field that have an id of their own.

    Category i has id ``NUM_RESERVED_IDS + i``; an empty cell has ``MISSING_ID``, every other
    category ``RARE_ID``.

    Args:
        tokens: the categories, in order.

    Raises:
        ValueError: if a category repeats or is empty.

    Example:
        >>> vocabulary = Vocabulary(Tokens.from_texts(["red", "blue"]))
        >>> vocabulary.lookup(Tokens.from_texts(["blue", "", "green"]).keys)
        array([3, 0, 1], dtype=int32)
    """

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        order = np.argsort(tokens.keys)
        self._keys = tokens.keys[order]
        self._ids = order.astype(np.int32) + np.int32(NUM_RESERVED_IDS)
        if len(tokens) and self._keys[0] == MISSING_KEY:
            raise ValueError("a category must not be empty, got ''")
        same = np.flatnonzero(self._keys[1:] == self._keys[:-1])
        if same.size:
            (text,) = tokens.take(order[same[:1]]).texts()
            raise ValueError(f"categories must differ, got {text!r} twice")

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def cardinality(self) -> int:
        """Number of ids, the reserved ones included."""
        return len(self) + NUM_RESERVED_IDS

    def lookup(self, keys: Keys) -> Ids:
        """Return the id of every key."""
        ids = np.full(len(keys), RARE_ID, dtype=np.int32)
        if len(self):
            at = np.searchsorted(self._keys, keys)
            at[at == len(self._keys)] = 0
            known = self._keys[at] == keys
            ids[known] = self._ids[at[known]]
        ids[keys == MISSING_KEY] = MISSING_ID
        return ids

    def pieces(self) -> Iterator[bytes]:
        """Yield the content of a file: one category a line, in the order of their ids.

        A piece has whole lines, and about a MiB of them.
        """
        ends = np.cumsum(self.tokens.lengths() + 1)
        cuts = np.searchsorted(ends, np.arange(0, ends[-1] if len(self) else 0, _PIECE_BYTES))
        for first, last in pairwise(np.unique([*cuts, len(self)]).tolist()):
            piece = self.tokens.take(np.arange(first, last)).terminated().tobytes()
            for plain, escape in _ESCAPES:
                piece = piece.replace(plain, escape)
            yield piece.replace(b"\0", b"\n")

    @classmethod
    def from_pieces(cls, pieces: Iterable[bytes], *, where: str) -> Vocabulary:
        """Return the vocabulary of a file.

        Args:
            pieces: whole lines, in pieces such as those of `pieces`.
            where: name of the file, for messages.

        Raises:
            ValueError: if a category repeats, is empty or is not UTF-8, or a line has no end.
        """
        try:
            return cls(Tokens.concatenated(map(_tokens_of_lines, pieces)))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


def _tokens_of_lines(lines: bytes) -> Tokens:
    if not lines.endswith(b"\n"):
        rest = lines[lines.rfind(b"\n") + 1 :]
        raise ValueError(f"every category must end its line, got {rest[:40]!r} without")
    if b"\0" in lines:
        raise ValueError("a text must not hold a zero byte")
    lines.decode()
    plain = lines.replace(b"\n", b"\0")
    if b"\\" in lines:
        # A byte that is in no text, so that "\\\\n" is a backslash and an n.
        plain = plain.replace(b"\\\\", b"\xff")
        for character, escape in _ESCAPES[1:]:
            plain = plain.replace(escape, character)
        plain = plain.replace(b"\xff", b"\\")
    return Tokens.from_terminated(plain)


def bucket_ids(keys: Keys, num_buckets: int) -> Ids:
    """Return the id of every key of a hashed field.

    Example:
        >>> bucket_ids(Tokens.from_texts(["red", "blue", ""]).keys, 100)
        array([84, 68,  0], dtype=int32)
    """
    buckets = (mix(keys) % np.uint64(num_buckets)).astype(np.int32)
    return np.where(keys == MISSING_KEY, MISSING_ID, buckets + NUM_RESERVED_IDS).astype(np.int32)


_FEW = 1000
"""So few texts are sorted by Python: they may be long, and the same for millions of bytes."""

MAX_KEYS_AT_ONCE = 1 << 21
"""Keys that `count_keys` holds in memory; with more, it goes over the counts several times."""

Counted = tuple[Keys, npt.NDArray[np.int64]]
"""Keys ``(T,)`` and how often each occurs, ``(T,)``; or several counts of each, ``(T, C)``."""


def count_keys(
    pieces: Callable[[], Iterator[Counted]],
    num_keys: int,
    *,
    min_count: int,
    keys_at_once: int = MAX_KEYS_AT_ONCE,
) -> Counted:
    """Add up counts of keys; return the keys that reach `min_count`, with their counts.

    Memory is bounded by `keys_at_once` and what is returned, however many keys there are.

    Args:
        pieces: returns all the keys, with their counts, piece by piece; is called repeatedly.
        num_keys: total length of the pieces.
        min_count: least count that is kept, of several the first.
        keys_at_once: how many keys may be held in memory.
    """
    num_parts = -(-num_keys // keys_at_once) or 1
    kept = [_count_part(pieces(), part, num_parts, min_count) for part in range(num_parts)]
    return np.concatenate([keys for keys, _ in kept]), np.concatenate([count for _, count in kept])


def _count_part(pieces: Iterator[Counted], part: int, num_parts: int, min_count: int) -> Counted:
    found_keys: list[Keys] = []
    found_counts: list[npt.NDArray[np.int64]] = []
    for keys, counts in pieces:
        chosen = (_first(counts) > 0) & (keys != MISSING_KEY)
        if num_parts > 1:
            chosen &= mix(keys) % np.uint64(num_parts) == part
        found_keys.append(keys[chosen])
        found_counts.append(counts[chosen])
    if not found_keys:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    codes, keys = pd.factorize(np.concatenate(found_keys))
    counts = np.concatenate(found_counts)
    totals = np.zeros((len(keys), *counts.shape[1:]), dtype=np.int64)
    np.add.at(totals, codes, counts)
    frequent = _first(totals) >= min_count
    return keys[frequent], totals[frequent]


def _first(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the first count of every key."""
    return counts if counts.ndim == 1 else counts[:, 0]


def by_frequency(tokens: Tokens, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return the order of the texts by descending count, ties in the order of their bytes.

    Example:
        >>> by_frequency(Tokens.from_texts(["b", "c", "a"]), np.array([1, 5, 1])).tolist()
        [1, 2, 0]
    """
    order = np.arange(len(tokens), dtype=np.int32)
    groups = -counts
    tied = order.copy()
    number = 0
    # Sort ties by the next eight bytes.
    while len(tied) > _FEW:
        words = tokens.word(number, order[tied])
        inner = np.lexsort((words, groups[tied]))
        order[tied] = order[tied][inner]
        words, found = words[inner], groups[tied][inner]
        is_next = np.ones(len(tied), dtype=np.bool_)
        is_next[1:] = (words[1:] != words[:-1]) | (found[1:] != found[:-1])
        numbers = np.cumsum(is_next) - 1
        groups[tied] = numbers
        tied = tied[np.bincount(numbers)[numbers] > 1]
        number += 1
    texts = tokens.take(order[tied]).encoded()
    pairs = zip(groups[tied].tolist(), texts, order[tied].tolist(), strict=True)
    order[tied] = [position for _, _, position in sorted(pairs)]
    return order
