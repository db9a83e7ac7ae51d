"""Cell texts as 64-bit keys: compare, count and look up millions of strings as whole arrays.

The key of a text is its UTF-8 bytes, read as a little-endian number, where there are at most
eight of them, so that equal keys mean equal texts. A longer text is hashed, eight bytes at a
time, the last word padded with zeros::

    key = number of bytes
    for word in words:
        key = mix(key ^ word)

``mix`` is the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014). Keys do not depend on the machine, the version of Python or NumPy, or
`PYTHONHASHSEED`; ``hash_buckets`` are ``mix(key) % hash_buckets``. Two of n long texts share a
key with a chance of n**2 / 2**65 (1e-7 for two million); they would then share an id.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Keys = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.integer]

MISSING_KEY = np.uint64(0)
"""Key of the empty text, which is what a missing cell holds."""

_WORD_BYTES = 8
_GATHERED_BYTES = 1 << 20
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(_WORD_BYTES + 1)], dtype=np.uint64)


def mix(keys: Keys) -> Keys:
    """Return the keys scrambled, one to one, so that any bits of them look random.

    Example:
        >>> [hex(key) for key in mix(np.array([0, 1], dtype=np.uint64))]
        ['0xe220a8397b1dcdaf', '0x910a2dec89025cc1']
    """
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def cell_keys(words: Keys, starts: Integers, lengths: Integers) -> Keys:
    """Return the key of every cell of a buffer.

    Args:
        words: the buffer as little-endian 8-byte words; at least one whole word follows the
            last cell. It holds no zero byte inside a cell.
        starts: first byte of each cell.
        lengths: number of bytes of each cell.
    """
    keys = _load(words, starts)
    keys &= _MASKS.take(lengths, mode="clip")
    rest = np.flatnonzero(lengths > _WORD_BYTES)
    if rest.size:
        keys[rest] = mix(lengths[rest].astype(np.uint64) ^ keys[rest])
    done = _WORD_BYTES
    while rest.size:
        word = _load(words, starts[rest] + done) & _MASKS.take(lengths[rest] - done, mode="clip")
        keys[rest] = mix(keys[rest] ^ word)
        done += _WORD_BYTES
        rest = rest[lengths[rest] > done]
    return keys


def _load(words: Keys, starts: Integers) -> Keys:
    # Two aligned loads and a shift: NumPy's unaligned gather takes three times as long.
    index = starts >> 3
    shift = ((starts & 7) << 3).astype(np.uint64)
    low = words.take(index, mode="clip")
    high = words.take(index + 1, mode="clip")
    low >>= shift
    # A shift by 64 is undefined, so it is made of two.
    high <<= np.uint64(63) - shift
    high <<= np.uint64(1)
    low |= high
    return low


def _gathered(
    data: npt.NDArray[np.uint8], starts: Integers, lengths: Integers
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return pieces of some bytes one after the other, and their ends."""
    ends = np.cumsum(lengths, dtype=np.int64)
    gathered = np.empty(ends[-1] if len(ends) else 0, dtype=np.uint8)
    # Some at a time, because the index of a byte takes eight bytes.
    cuts = np.searchsorted(ends, np.arange(0, len(gathered), _GATHERED_BYTES))
    for first, last in pairwise(np.unique([*cuts, len(ends)]).tolist()):
        start, end = ends[first] - lengths[first], ends[last - 1]
        shifts = starts[first:last] - (ends[first:last] - lengths[first:last])
        index = np.repeat(shifts, lengths[first:last]) + np.arange(start, end)
        gathered[start:end] = data[index]
    return ends, gathered


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return parts one after the other, and forget them: they may be large."""
    joined = np.concatenate(parts)
    parts.clear()
    return joined


@dataclass(frozen=True)
class Tokens:
    """Distinct cell texts: their keys, and the bytes of those that a key cannot hold.

    Args:
        keys: ``(T,)`` keys.
        long_at: positions of the texts of more than eight bytes, ascending.
        long_ends: where each of them ends in `long_bytes`.
        long_bytes: their UTF-8 bytes, one after the other.

    Example:
        >>> tokens = Tokens.from_texts(["a9", "", "a long text"])
        >>> tokens.keys[:2], tokens.texts()
        (array([14689, 0], dtype=uint64), ['a9', '', 'a long text'])
    """

    keys: Keys
    long_at: npt.NDArray[np.int32]
    long_ends: npt.NDArray[np.int64]
    long_bytes: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Tokens:
        """Return the tokens of a list of texts, in its order.

        Raises:
            ValueError: if a text holds a zero byte.
        """
        return cls.from_bytes([text.encode() for text in texts])

    @classmethod
    def from_bytes(cls, encoded: Sequence[bytes]) -> Tokens:
        """Return the tokens of a list of UTF-8 texts, in its order.

        Raises:
            ValueError: if a text holds a zero byte.
        """
        content = b"".join(text + b"\0" for text in encoded)
        if content.count(b"\0") > len(encoded):
            text = next(item for item in encoded if b"\0" in item)
            raise ValueError(f"a text must not hold a zero byte, got {text.decode()!r}")
        return cls.from_terminated(content)

    @classmethod
    def from_terminated(cls, content: bytes) -> Tokens:
        """Return the tokens of UTF-8 texts, each followed by a zero byte."""
        padding = -len(content) % _WORD_BYTES + _WORD_BYTES
        words = np.frombuffer(content + bytes(padding), dtype="<u8")
        ends = np.flatnonzero(words.view(np.uint8)[: len(content)] == 0)
        starts = np.append(0, ends + 1)[:-1]
        return cls.from_cells(words, starts, ends - starts)

    @classmethod
    def from_cells(
        cls, words: Keys, starts: Integers, lengths: Integers, keys: Keys | None = None
    ) -> Tokens:
        """Return the tokens of the cells of a buffer (see `cell_keys`), in their order."""
        if keys is None:
            keys = cell_keys(words, starts, lengths)
        long_at = np.flatnonzero(lengths > _WORD_BYTES)
        ends, long_bytes = _gathered(words.view(np.uint8), starts[long_at], lengths[long_at])
        return cls(keys, long_at.astype(np.int32), ends, long_bytes)

    @classmethod
    def concatenated(cls, pieces: Iterable[Tokens]) -> Tokens:
        """Return tokens one after the other."""
        keys = [np.empty(0, dtype=np.uint64)]
        long_at = [np.empty(0, dtype=np.int32)]
        ends = [np.empty(0, dtype=np.int64)]
        texts = [np.empty(0, dtype=np.uint8)]
        num_texts = num_bytes = 0
        for piece in pieces:
            keys.append(piece.keys)
            long_at.append(piece.long_at + np.int32(num_texts))
            ends.append(piece.long_ends + num_bytes)
            texts.append(piece.long_bytes)
            num_texts += len(piece)
            num_bytes += len(piece.long_bytes)
        return cls(_joined(keys), _joined(long_at), _joined(ends), _joined(texts))

    def take(self, index: npt.NDArray[np.integer]) -> Tokens:
        """Return the tokens at some positions, in this order."""
        order, is_long = self._long_of(index)
        starts, lengths = self._long_starts[order], np.diff(self.long_ends, prepend=0)[order]
        ends, long_bytes = _gathered(self.long_bytes, starts, lengths)
        long_at = np.flatnonzero(is_long).astype(np.int32)
        return Tokens(self.keys[index], long_at, ends, long_bytes)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Return the number of bytes of every text."""
        characters = self.keys.astype("<u8").view(np.uint8).reshape(-1, _WORD_BYTES)
        lengths: npt.NDArray[np.int64] = np.count_nonzero(characters, axis=1)
        lengths[self.long_at] = np.diff(self.long_ends, prepend=0)
        return lengths

    def terminated(self) -> npt.NDArray[np.uint8]:
        """Return the UTF-8 texts one after the other, each followed by a zero byte."""
        sizes = self.lengths() + 1
        is_long = np.zeros(len(self), dtype=np.bool_)
        is_long[self.long_at] = True
        joined: npt.NDArray[np.uint8] = np.zeros(sizes.sum(), dtype=np.uint8)
        is_text = np.ones(len(joined), dtype=np.bool_)
        is_text[np.cumsum(sizes) - 1] = False
        is_of_long = np.repeat(is_long, sizes)
        joined[is_text & is_of_long] = self.long_bytes
        characters = self.keys[~is_long].astype("<u8").view(np.uint8)
        joined[is_text & ~is_of_long] = characters[characters != 0]
        return joined

    def word(self, number: int, index: npt.NDArray[np.integer]) -> Keys:
        """Return eight bytes of some texts, from byte ``8 * number`` on.

        They are numbers that compare as the bytes do; zeros follow the end of a text.
        """
        order, is_long = self._long_of(index)
        words = np.zeros(len(index), dtype=np.uint64)
        if number == 0:
            words[~is_long] = self.keys[index[~is_long]].astype("<u8").view(">u8")
        done = _WORD_BYTES * number
        ends = self.long_ends[order]
        starts = self._long_starts[order] + done
        found = np.zeros(len(order), dtype=np.uint64)
        for first in range(0, len(order), _GATHERED_BYTES // _WORD_BYTES):
            part = slice(first, first + _GATHERED_BYTES // _WORD_BYTES)
            at = starts[part, None] + np.arange(_WORD_BYTES)
            characters = self.long_bytes.take(at, mode="clip")
            characters[at >= ends[part, None]] = 0
            found[part] = characters.view(">u8")[:, 0]
        words[is_long] = found
        return words

    @functools.cached_property
    def _long_starts(self) -> npt.NDArray[np.int64]:
        return np.append(0, self.long_ends)[:-1]

    def _long_of(
        self, index: npt.NDArray[np.integer]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return which long text each long one of some tokens is, and which tokens are long."""
        if not len(self.long_at):
            return np.empty(0, dtype=np.int64), np.zeros(len(index), dtype=np.bool_)
        order = np.searchsorted(self.long_at, index)
        order[order == len(self.long_at)] = 0
        is_long = self.long_at[order] == index
        return order[is_long], is_long

    def encoded(self) -> list[bytes]:
        """Return the texts as UTF-8."""
        # NumPy drops trailing zero bytes, which is the padding of a short text.
        texts: list[bytes] = self.keys.astype("<u8").view("S8").tolist()
        for at, text in zip(self.long_at.tolist(), self.long_texts(), strict=True):
            texts[at] = text
        return texts

    def long_texts(self) -> list[bytes]:
        """Return the texts of more than eight bytes as UTF-8."""
        data = self.long_bytes.tobytes()
        return [data[start:end] for start, end in pairwise([0, *self.long_ends.tolist()])]

    def texts(self) -> list[str]:
        """Return the texts."""
        return [text.decode() for text in self.encoded()]


@dataclass(frozen=True)
class Column:
    """One column of some rows: ``tokens[codes[n]]`` is the text of row n."""

    codes: npt.NDArray[np.integer]
    tokens: Tokens

    @classmethod
    def from_cells(cls, words: Keys, starts: Integers, lengths: Integers) -> Column:
        """Return the column that the cells of a buffer make up (see `cell_keys`)."""
        codes, keys = pd.factorize(cell_keys(words, starts, lengths))
        if lengths.max(initial=0) <= _WORD_BYTES:
            none = np.empty(0, dtype=np.int64)
            tokens = Tokens(keys, none.astype(np.int32), none, none.astype(np.uint8))
        else:
            first = np.empty(len(keys), dtype=np.int64)
            first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # the first row is the last set
            tokens = Tokens.from_cells(words, starts[first], lengths[first], keys)
        return cls(smallest(codes, len(keys)), tokens)


def smallest(codes: Integers, num_codes: int) -> npt.NDArray[np.integer]:
    """Return codes below `num_codes` in the smallest unsigned type that holds them."""
    return codes.astype(np.min_scalar_type(max(num_codes - 1, 0)))
