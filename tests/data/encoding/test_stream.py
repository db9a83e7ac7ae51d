"""Raw rows, scored as they come."""

from __future__ import annotations

import itertools
import threading
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Encoder, Field, Schema, prepare, read_rows
from ctrkit.data.reading.text.source import TextSource

SCHEMA = Schema([Field("a"), Field("n", "numeric")], label="click")


@pytest.fixture
def frame():
    generator = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "click": generator.integers(0, 2, 500),
            "a": generator.integers(0, 20, 500).astype(str),
            "n": generator.normal(size=500),
        }
    )


@pytest.fixture
def encoder(frame, tmp_path):
    prepare(frame[:300], schema=SCHEMA).encoder.save(tmp_path / "run")
    return Encoder.load(tmp_path / "run")


@pytest.mark.parametrize("with_label", [True, False])
@pytest.mark.parametrize("chunk_rows", [1, 64, 10_000])
def test_chunks_are_the_rows_in_their_order(frame, encoder, tmp_path, with_label, chunk_rows):
    given = frame if with_label else frame.drop(columns="click")
    given[:200].to_csv(tmp_path / "one.csv", index=False)
    given[200:].to_csv(tmp_path / "two.csv.gz", index=False)
    chunks = list(
        read_rows([tmp_path / "one.csv", tmp_path / "two.csv.gz"], encoder, chunk_rows=chunk_rows)
    )
    assert max(map(len, chunks)) <= chunk_rows
    expected = encoder.encode(frame)
    np.testing.assert_array_equal(np.concatenate([c.ids for c in chunks]), expected.ids)
    np.testing.assert_array_equal(np.concatenate([c.values for c in chunks]), expected.values)
    if with_label:
        np.testing.assert_array_equal(np.concatenate([c.labels for c in chunks]), frame["click"])
    else:
        assert all(chunk.labels is None for chunk in chunks)


def test_labels_can_be_required_or_ignored(frame, encoder):
    unlabelled = frame.drop(columns="click")
    with pytest.raises(ValueError, match="DataFrame: column 'click' is missing"):
        next(read_rows(unlabelled, encoder, label="require"))
    broken = frame.assign(click="?")
    assert next(read_rows(broken, encoder, label="ignore")).labels is None
    with pytest.raises(ValueError, match="column click must be 0 or 1, got"):
        next(read_rows(broken, encoder))


def test_options_are_checked_at_once(frame, encoder):
    with pytest.raises(ValueError, match="unknown label mode 'atuo'; did you mean 'auto'"):
        read_rows(frame, encoder, label="atuo")
    with pytest.raises(ValueError, match="chunk_rows must be positive, got 0"):
        read_rows(frame, encoder, chunk_rows=0)
    with pytest.raises(ValueError, match="num_workers must be positive, got 0"):
        read_rows(frame, encoder, num_workers=0)
    with pytest.raises(FileNotFoundError, match=r"none.csv does not exist"):
        read_rows("none.csv", encoder)


def test_files_without_header_may_lack_the_label(tmp_path):
    schema = Schema([Field("a"), Field("b")], header=False, separator="\t")
    frame = pd.DataFrame({"label": [0, 1] * 20, "a": list("xy") * 20, "b": list("pqrs") * 10})
    frame.to_csv(tmp_path / "log", sep="\t", header=False, index=False)
    frame.drop(columns="label").to_csv(tmp_path / "new", sep="\t", header=False, index=False)
    encoder = prepare(tmp_path / "log", schema=schema).encoder
    (with_label,), (without,) = (list(read_rows(tmp_path / n, encoder)) for n in ("log", "new"))
    np.testing.assert_array_equal(with_label.ids, without.ids)
    assert with_label.labels.tolist() == [0, 1] * 20
    assert without.labels is None
    with pytest.raises(ValueError, match="column 'label' is missing"):
        prepare(tmp_path / "new", schema=schema)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("ctrkit.data.encoding.stream.BLOCK_BYTES", 500)


def reading_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("ctrkit-worker")]


@pytest.mark.parametrize("num_workers", [1, 2, 5])
def test_the_number_of_workers_changes_nothing(frame, encoder, tmp_path, small_blocks, num_workers):
    frame.to_csv(tmp_path / "log.csv", index=False)
    chunks = list(read_rows(tmp_path / "log.csv", encoder, num_workers=num_workers))
    assert len(chunks) > 10
    expected = encoder.encode(frame)
    np.testing.assert_array_equal(np.concatenate([c.ids for c in chunks]), expected.ids)
    np.testing.assert_array_equal(np.concatenate([c.values for c in chunks]), expected.values)
    assert not reading_threads()


def test_a_bad_row_is_named_after_the_rows_before_it(frame, encoder, tmp_path, small_blocks):
    lines = frame.to_csv(index=False).splitlines(keepends=True)
    (tmp_path / "log.csv").write_text("".join([*lines[:300], "0,x\n", *lines[300:]]))
    num_rows = 0
    with pytest.raises(ValueError, match=r"log.csv, line 301: must have 3 columns, got 2"):  # noqa: PT012
        for chunk in read_rows(tmp_path / "log.csv", encoder, num_workers=3):
            num_rows += len(chunk)
    assert 250 < num_rows < 300
    assert not reading_threads()


def test_blocks_are_read_a_few_ahead_and_no_further(
    frame, encoder, tmp_path, small_blocks, monkeypatch
):
    frame.to_csv(tmp_path / "log.csv", index=False)
    num_read = 0
    blocks_of = TextSource.blocks

    def counted(source, schema):
        nonlocal num_read
        for block in blocks_of(source, schema):
            num_read += 1
            yield block

    monkeypatch.setattr(TextSource, "blocks", counted)
    with closing(read_rows(tmp_path / "log.csv", encoder, num_workers=2)) as rows:
        for done, _ in enumerate(itertools.islice(rows, 5)):
            assert num_read == done + 3
        assert reading_threads()
    assert not reading_threads()


def test_bad_rows_are_told_with_the_number_of_good_ones_before_them(
    frame, encoder, tmp_path, small_blocks
):
    lines = frame.to_csv(index=False).splitlines(keepends=True)
    generator = np.random.default_rng(3)
    # Whole blocks of bad rows in the middle, blank lines, which are no rows, and quoted ones.
    good = ['0,"a\nb",1\n', "\n", *lines[1:]]
    spoilt, expected, num_good = [lines[0]], [], 0
    for number, line in enumerate(good):
        bad = 300 if number == 200 else int(generator.random() < 0.1)
        spoilt += ["1,x\n"] * bad + [line]
        expected += [num_good] * bad
        num_good += line != "\n"
    (tmp_path / "log.csv").write_text("".join(spoilt))
    told, num_returned = [], 0

    def on_skipped(rows, preceding):
        assert len(rows) == len(preceding)
        assert min(preceding) >= num_returned
        told.extend(preceding.tolist())

    chunks = []
    for chunk in read_rows(tmp_path / "log.csv", encoder, num_workers=3, on_skipped=on_skipped):
        chunks.append(chunk)
        num_returned += len(chunk)
    assert told == expected
    ids = np.concatenate([chunk.ids for chunk in chunks])
    np.testing.assert_array_equal(ids[1:], encoder.encode(frame).ids)
