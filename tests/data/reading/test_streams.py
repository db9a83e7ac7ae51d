"""Pipes, devices and standard input, which can be read only once."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, Schema, infer_schema, load, prepare, read_rows
from ctrkit.data.reading.sources import open_sources

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

SCHEMA = Schema([Field("user"), Field("price", "numeric")])
LOG = b"label,user,price\n" + b"".join(
    b"%d,u%d,%d.5\n" % (n % 2, n * n % 7, n % 5) for n in range(500)
)


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(LOG)
    return path


@contextmanager
def pipe(path: Path, content: bytes):
    """A named pipe that somebody writes into once."""
    os.mkfifo(path)

    def write():
        with suppress(BrokenPipeError):
            path.write_bytes(content)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    yield path
    writer.join(timeout=10)
    assert not writer.is_alive()


def standard_input(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def same(one, two):
    assert one.schema == two.schema
    for part in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(one, part).ids, getattr(two, part).ids)
        np.testing.assert_array_equal(getattr(one, part).values, getattr(two, part).values)
    assert one.info["fingerprint"] == two.info["fingerprint"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("bad_rows", ["error", "skip"])
@pytest.mark.parametrize("block_bytes", [100, 1 << 20])
def test_a_pipe_is_prepared_as_a_file_is(tmp_path, log, pack, bad_rows, block_bytes, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", block_bytes)
    packed = pack(LOG)
    log.write_bytes(packed)
    options = {"format": "csv", "bad_rows": bad_rows}
    expected = prepare(log, **options)
    with pipe(tmp_path / "pipe", packed) as path:
        found = prepare(path, out=tmp_path / "out", **options)
    same(found, expected)
    assert found.info["sources"]["train"] == [hashlib.sha256(packed).hexdigest()]
    assert load(tmp_path / "out").info["fingerprint"] == expected.info["fingerprint"]


def test_a_pipe_of_a_known_schema_is_not_guessed_at(tmp_path, log):
    with pipe(tmp_path / "pipe", LOG) as path:
        same(prepare(path, schema=SCHEMA), prepare(log, schema=SCHEMA))


def test_a_pipe_can_be_told_by_its_name(tmp_path, log):
    with pipe(tmp_path / "pipe.csv", LOG) as path:
        same(prepare(path), prepare(log))


def test_a_pipe_can_hold_validation_rows(tmp_path, log):
    with pipe(tmp_path / "pipe", LOG) as path:
        same(prepare(log, valid=path, format="csv"), prepare(log, valid=log, format="csv"))


def test_rows_of_a_pipe_are_read_for_scoring(tmp_path, log):
    encoder = prepare(log).encoder
    with pipe(tmp_path / "pipe", LOG) as path:
        found = list(read_rows(path, encoder))
    (expected,) = read_rows(log, encoder)
    np.testing.assert_array_equal(np.concatenate([rows.ids for rows in found]), expected.ids)


def test_standard_input_is_called_a_dash(log, monkeypatch):
    standard_input(monkeypatch, LOG)
    same(prepare("-", format="csv"), prepare(log))
    standard_input(monkeypatch, LOG + b"0,u\n")
    with pytest.raises(ValueError, match=r"^standard input, line 502: must have 3 columns, got 2"):
        prepare(Path("-"), format="csv")
    standard_input(monkeypatch, LOG)
    assert infer_schema("-", format="csv").label == "label"


def test_standard_input_of_another_process_is_read(tmp_path, log):
    code = (
        "import sys; from ctrkit.data import prepare; prepare(sys.argv[1], format='csv', out={!r})"
    )
    for number, name in enumerate(["-", "/dev/stdin"]):
        if not Path("/dev/stdin").exists():
            continue
        out = str(tmp_path / f"out{number}")
        subprocess.run([sys.executable, "-c", code.format(out), name], input=LOG, check=True)
        same(load(out), prepare(log))


def test_the_format_of_a_stream_is_to_be_named(tmp_path, monkeypatch):
    standard_input(monkeypatch, LOG)
    with pytest.raises(
        ValueError,
        match=r"^standard input: cannot guess the format from the file's name; name one of criteo, "
        "avazu, csv, tsv, or give a schema",
    ):
        prepare("-")
    os.mkfifo(tmp_path / "pipe")  # which nobody writes into: it must not be opened
    with pytest.raises(ValueError, match="pipe: cannot guess the format from the file's name"):
        prepare(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["pipe", "pipe.parquet"])
def test_parquet_is_no_stream(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="Parquet cannot be read from a stream; give a file"):
        prepare(tmp_path / name, format=None if "." in name else "parquet")


def test_parquet_that_comes_in_a_pipe_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    stream = io.BytesIO()
    pd.DataFrame({"label": [0, 1], "user": ["a", "b"]}).to_parquet(stream)
    with (
        pipe(tmp_path / "pipe", stream.getvalue()) as path,
        pytest.raises(ValueError, match="pipe is Parquet, which cannot be read from a stream"),
    ):
        prepare(path, schema=SCHEMA)


def test_a_stream_is_named_once(tmp_path):
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    message = "can be read only once, and must be named once, got twice"
    with pytest.raises(ValueError, match=message):
        prepare([path, path])
    with pytest.raises(ValueError, match=message):
        prepare(path, valid=path)
    with pytest.raises(ValueError, match=f"standard input {message}"):
        open_sources(["-", "-"])
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with pytest.raises(ValueError, match=f"link.csv {message}"):
        prepare(path, test=link)


def test_a_folder_that_exists_is_not_compared_with_a_stream(tmp_path, log):
    out = tmp_path / "out"
    before = prepare(log, out=out, schema=SCHEMA)
    path = tmp_path / "pipe"
    os.mkfifo(path)  # which nobody writes into: it must not be opened
    with pytest.raises(FileExistsError, match=r"out exists, and .*pipe, which can be read only"):
        prepare(path, out=out, schema=SCHEMA)
    path.unlink()
    with pipe(path, LOG):
        same(prepare(path, out=out, schema=SCHEMA, force=True), before)
    with pipe(tmp_path / "other", LOG) as path:
        (tmp_path / "empty").mkdir()
        same(prepare(path, out=tmp_path / "empty", schema=SCHEMA), before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "pipe is empty"),
        (b"PK\x03\x04" + bytes(100), "pipe is a zip archive; unpack it first"),
        (gzip.compress(LOG)[:-60], r"pipe is damaged or cut short near line \d+"),
        (b"label,user,price\n", "pipe holds column names but no rows"),
        (LOG + b"2,u,1\n", "pipe, line 502: column label must be 0 or 1, got '2'"),
    ],
)
@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_what_is_wrong_in_a_pipe_is_named(tmp_path, content, message, schema):
    with (
        pipe(tmp_path / "pipe", content) as path,
        pytest.raises(ValueError, match=message),
    ):
        prepare(path, format="csv", schema=schema)


def test_devices_are_streams():
    with pytest.raises(ValueError, match="/dev/null is empty"):
        prepare("/dev/null", format="csv")
    with pytest.raises(ValueError, match="/dev/zero, line 1: a line must have at most 16 MiB"):
        prepare("/dev/zero", format="csv")


def test_a_stream_that_is_read_already_is_refused(tmp_path):
    with pipe(tmp_path / "pipe", LOG) as path:
        (source,) = open_sources([path])
        with pytest.raises(ValueError, match="pipe must be read before its content is known"):
            source.content_hash()
        assert source.about_rows(SCHEMA) is None
        first = source.first_block(SCHEMA)
        assert source.first_block(SCHEMA).num_lines == first.num_lines
        assert sum(block.num_lines for block in source.blocks(SCHEMA)) == 500
    with pytest.raises(ValueError, match="pipe can be read only once, and has been read"):
        next(iter(source.blocks(SCHEMA)))


def test_standard_input_that_is_closed_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="standard input is closed; name a file"):
        prepare("-", format="csv")
