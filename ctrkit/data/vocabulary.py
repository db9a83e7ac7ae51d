"""Categories and their ids: `Vocabulary`, and how one is fitted without holding all categories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit.data.tokens import MISSING_KEY, Keys, Tokens, mix
from ctrkit.fields import MISSING_ID, NUM_RESERVED_IDS, RARE_ID

Ids = npt.NDArray[np.int32]

_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"))


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
            text = tokens.texts()[int(order[same[0]])]
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

    def to_bytes(self) -> bytes:
        """Return the content of a file: one category a line, in the order of their ids."""
        text = b"\n".join(self.tokens.encoded())
        if b"\\" in text or b"\r" in text or text.count(b"\n") >= max(len(self), 1):
            text = "\n".join(map(_escaped, self.tokens.texts())).encode()
        return text + b"\n" if len(self) else b""

    @classmethod
    def from_bytes(cls, content: bytes, *, where: str) -> Vocabulary:
        """Return the vocabulary whose `to_bytes` these are.

        Args:
            content: of the file.
            where: its name, for messages.

        Raises:
            ValueError: if a category repeats, is empty or is not UTF-8, or a line has no end.
        """
        *lines, rest = content.split(b"\n")
        try:
            if rest:
                raise ValueError(f"every category must end its line, got {rest[:40]!r} without")
            content.decode()
            if any(b"\\" in line for line in lines):
                lines = [_unescaped(line.decode()).encode() for line in lines]
            return cls(Tokens.from_bytes(lines))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


def _escaped(text: str) -> str:
    for plain, escape in _ESCAPES:
        text = text.replace(plain, escape)
    return text


def _unescaped(text: str) -> str:
    parts = text.split("\\\\")
    for plain, escape in _ESCAPES[1:]:
        parts = [part.replace(escape, plain) for part in parts]
    return "\\".join(parts)


def bucket_ids(keys: Keys, num_buckets: int) -> Ids:
    """Return the id of every key of a hashed field.

    Example:
        >>> bucket_ids(Tokens.from_texts(["red", "blue", ""]).keys, 100)
        array([84, 68,  0], dtype=int32)
    """
    buckets = (mix(keys) % np.uint64(num_buckets)).astype(np.int32)
    return np.where(keys == MISSING_KEY, MISSING_ID, buckets + NUM_RESERVED_IDS).astype(np.int32)


MAX_KEYS_AT_ONCE = 1 << 21
"""Keys that `count_keys` holds in memory; with more, it goes over the counts several times."""

Counted = tuple[Keys, npt.NDArray[np.int64]]


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
        min_count: least count that is kept.
        keys_at_once: how many keys may be held in memory.
    """
    num_parts = -(-num_keys // keys_at_once) or 1
    kept = [_count_part(pieces(), part, num_parts, min_count) for part in range(num_parts)]
    return np.concatenate([keys for keys, _ in kept]), np.concatenate([count for _, count in kept])


def _count_part(pieces: Iterator[Counted], part: int, num_parts: int, min_count: int) -> Counted:
    found_keys = [np.empty(0, dtype=np.uint64)]
    found_counts = [np.empty(0, dtype=np.int64)]
    for keys, counts in pieces:
        chosen = (counts > 0) & (keys != MISSING_KEY)
        if num_parts > 1:
            chosen &= mix(keys) % np.uint64(num_parts) == part
        found_keys.append(keys[chosen])
        found_counts.append(counts[chosen])
    codes, keys = pd.factorize(np.concatenate(found_keys))
    totals = np.zeros(len(keys), dtype=np.int64)
    np.add.at(totals, codes, np.concatenate(found_counts))
    frequent = totals >= min_count
    return keys[frequent], totals[frequent]


def by_frequency(texts: Sequence[bytes], counts: npt.NDArray[np.int64]) -> list[bytes]:
    """Return the texts by descending count, ties in the order of their bytes."""
    ranked = sorted(zip((-counts).tolist(), texts, strict=True))
    return [text for _, text in ranked]
