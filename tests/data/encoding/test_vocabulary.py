"""Vocabularies: ids, thresholds, order, files."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrkit.data.columns.tokens import Tokens
from ctrkit.data.encoding.vocabulary import Vocabulary, bucket_ids, by_frequency, count_keys

TEXTS = [
    "plain",
    "with\nnewline",
    "back\\slash",
    "back\\nslash",
    "cr\r",
    "é",
    "a text of many bytes",
]


def test_ids_begin_after_the_reserved_ones():
    vocabulary = Vocabulary(Tokens.from_texts(TEXTS))
    keys = Tokens.from_texts([*TEXTS, "", "unseen", "another unseen text"]).keys
    assert vocabulary.lookup(keys).tolist() == [2, 3, 4, 5, 6, 7, 8, 0, 1, 1]
    assert vocabulary.cardinality == 9


def test_an_empty_vocabulary_knows_missing_from_rare():
    vocabulary = Vocabulary(Tokens.from_texts([]))
    assert vocabulary.lookup(Tokens.from_texts(["", "x"]).keys).tolist() == [0, 1]


@pytest.mark.parametrize("texts", [TEXTS, ["only"], [], ["a", "b"]])
def test_files_give_back_the_vocabulary(texts):
    content = b"".join(Vocabulary(Tokens.from_texts(texts)).pieces())
    assert (
        Vocabulary.from_pieces([content] if content else [], where="a file").tokens.texts() == texts
    )
    assert content.count(b"\n") == len(texts)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"a\nb\na\n", "categories must differ, got 'a' twice"),
        (b"a\n\n", "must not be empty"),
        (b"a\nb", "every category must end its line, got b'b' without"),
        (b"a\n\xff\n", "'utf-8' codec can't decode"),
        (b"a\0\n", "must not hold a zero byte"),
    ],
)
def test_a_damaged_file_is_refused(lines, message):
    with pytest.raises(ValueError, match=rf"vocabulary.txt: .*{message}"):
        Vocabulary.from_pieces([lines], where="vocabulary.txt")


@pytest.mark.parametrize("few", [0, 2, 1000])
@given(
    texts=st.lists(
        st.text("ab0é漢", max_size=30) | st.text("a", max_size=40), min_size=1, unique=True
    ),
    data=st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_is_by_count_then_by_bytes(few, texts, data):
    numbers = st.integers(1, 3)
    counts = data.draw(st.lists(numbers, min_size=len(texts), max_size=len(texts)))
    pairs = sorted(zip([-count for count in counts], [t.encode() for t in texts], strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ctrkit.data.encoding.vocabulary._FEW", few)
        order = by_frequency(Tokens.from_texts(texts), np.array(counts))
    assert [texts[position].encode() for position in order] == [text for _, text in pairs]


@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 20])
@given(texts=st.lists(st.text("a\\\\\n\r0é", min_size=1, max_size=20), unique=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_give_back_any_vocabulary(piece_bytes, texts):
    lines = [
        text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") + "\n"
        for text in texts
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ctrkit.data.encoding.vocabulary._PIECE_BYTES", piece_bytes)
        content = b"".join(Vocabulary(Tokens.from_texts(texts)).pieces())
        assert content == "".join(lines).encode()
        assert (
            Vocabulary.from_pieces([content] if content else [], where="a file").tokens.texts()
            == texts
        )


@pytest.mark.parametrize("keys_at_once", [10_000, 50, 7])
def test_counts_add_up_however_little_memory_there_is(keys_at_once):
    generator = np.random.default_rng(1)
    pieces = [
        (generator.integers(0, 60, size=n).astype(np.uint64), generator.integers(0, 4, size=n))
        for n in (0, 40, 100, 80)
    ]
    expected: Counter[int] = Counter()
    for keys, counts in pieces:
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            expected[key] += count
    keys, counts = count_keys(lambda: iter(pieces), 220, min_count=6, keys_at_once=keys_at_once)
    found = dict(zip(keys.tolist(), counts.tolist(), strict=True))
    assert found == {key: count for key, count in expected.items() if key and count >= 6}


def test_buckets_are_spread_evenly_and_leave_missing_apart():
    keys = Tokens.from_texts(["", *(f"user {number}" for number in range(20_000))]).keys
    ids = bucket_ids(keys, 20)
    assert ids[0] == 0
    counts = np.bincount(ids[1:], minlength=22)
    assert counts[:2].tolist() == [0, 0]
    assert np.abs(counts[2:] - 1000).max() < 5 * np.sqrt(1000)


def test_buckets_never_change():
    # Frozen when it was written: models trained with hashed fields rely on it.
    keys = Tokens.from_texts(["68fd1e64", "a long text, longer than eight bytes", "é"]).keys
    assert bucket_ids(keys, 1_000_000).tolist() == BUCKETS


BUCKETS = [675575, 82847, 826769]
