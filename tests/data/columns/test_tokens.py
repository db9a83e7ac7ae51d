"""Keys of texts: exact where short, documented where long."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ctrkit.data.columns.tokens import Column, Tokens, cell_keys, mix

MASK = (1 << 64) - 1


def mix_one(key: int) -> int:
    key = (key + 0x9E3779B97F4A7C15) & MASK
    key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & MASK
    return key ^ (key >> 31)


def key_of(text: str) -> int:
    data = text.encode()
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    if len(data) <= 8:
        return words[0] if words else 0
    key = len(data)
    for word in words:
        key = mix_one(key ^ word)
    return key


def random_texts(seed: int, count: int = 300) -> list[str]:
    generator = random.Random(seed)
    return ["".join(generator.choices("ab0é漢 ", k=generator.randrange(30))) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_keys_follow_the_documented_rule(seed):
    texts = random_texts(seed)
    assert Tokens.from_texts(texts).keys.tolist() == [key_of(text) for text in texts]


def test_mix_is_splitmix64():
    # The first outputs of the published SplitMix64 generator with seed 0.
    states = (np.arange(3, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert mix(states).tolist() == published


def test_short_texts_have_different_keys():
    texts = sorted({text for text in random_texts(1, 3000) if len(text.encode()) <= 8})
    assert len(set(Tokens.from_texts(texts).keys.tolist())) == len(texts)


@pytest.mark.parametrize("seed", range(3))
def test_tokens_give_back_their_texts(seed):
    texts = random_texts(seed)
    assert Tokens.from_texts(texts).texts() == texts


@pytest.mark.parametrize("offset", range(9))
def test_a_key_does_not_depend_on_where_the_cell_lies(offset):
    text = "thirteen byte"
    data = b"x" * offset + text.encode() + b"y" * 30
    words = np.frombuffer(data + bytes(-len(data) % 8 + 8), dtype="<u8")
    starts, lengths = np.array([offset, offset]), np.array([13, 5])
    keys = cell_keys(words, starts, lengths)
    assert keys.tolist() == [key_of(text), key_of(text[:5])]


def test_a_column_names_each_text_once_in_order_of_appearance():
    cells = ["b", "a rather long text", "b", "", "a rather long text", "c"]
    data = "".join(cells).encode() + bytes(16)
    words = np.frombuffer(data[: len(data) // 8 * 8], dtype="<u8")
    lengths = np.array([len(cell) for cell in cells])
    column = Column.from_cells(words, np.cumsum(lengths) - lengths, lengths)
    assert column.tokens.texts() == ["b", "a rather long text", "", "c"]
    assert column.codes.tolist() == [0, 1, 0, 2, 1, 3]


@pytest.mark.parametrize("seed", range(3))
def test_tokens_can_be_taken_in_any_order(seed, monkeypatch):
    monkeypatch.setattr("ctrkit.data.columns.tokens._GATHERED_BYTES", 17)
    texts = random_texts(seed)
    chosen = np.random.default_rng(seed).integers(0, len(texts), size=200)
    taken = Tokens.from_texts(texts).take(chosen)
    assert taken.texts() == [texts[at] for at in chosen]
    assert taken.keys.tolist() == [key_of(texts[at]) for at in chosen]


@pytest.mark.parametrize("texts", [[], [""], ["a"], ["", "a long text", ""], random_texts(4)])
def test_tokens_are_joined_and_parted_by_zero_bytes(texts):
    tokens = Tokens.from_texts(texts)
    joined = tokens.terminated().tobytes()
    assert joined == "".join(text + "\0" for text in texts).encode()
    assert Tokens.from_terminated(joined).texts() == texts
    assert tokens.lengths().tolist() == [len(text.encode()) for text in texts]


def test_words_compare_as_bytes_do():
    texts = random_texts(5)
    tokens = Tokens.from_texts(texts)
    index = np.random.default_rng(5).permutation(len(texts))
    for number in range(12):
        part = slice(8 * number, 8 * number + 8)
        expected = [int.from_bytes(texts[at].encode()[part].ljust(8, b"\0"), "big") for at in index]
        assert tokens.word(number, index).tolist() == expected


def test_a_zero_byte_is_refused():
    with pytest.raises(ValueError, match=r"a text must not hold a zero byte, got 'a\\x00'"):
        Tokens.from_texts(["a\0"])
