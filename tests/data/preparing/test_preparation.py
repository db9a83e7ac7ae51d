"""`prepare`, from raw files to a folder, against a slow and plain reading of its promises."""

from __future__ import annotations

import csv
import errno
import filecmp
import itertools
import json
import math
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from edited import edit_json, write_json

from ctrkit.data import Field, PrepareConfig, Schema, built_in_schema, load, prepare
from ctrkit.data.preparing.split import LastSplit, RandomSplit, Span
from ctrkit.synthetic import generate

FRACTIONS = (0.8, 0.1, 0.1)


def criteo_lines(seed, count):
    generator = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        whole = [str(int(v)) if v > -2.5 else "" for v in generator.normal(2, 3, 13) ** 3 / 3]
        sizes = (5, 40, 300) * 9
        texts = [f"{generator.integers(size):08x}" for size in sizes[:26]]
        texts = [text if generator.random() > 0.1 else "" for text in texts]
        lines.append("\t".join([str(int(generator.random() < 0.3)), *whole, *texts]))
    return lines


def bucket(text):
    if not text or int(text) <= 2:
        return text
    return str(math.ceil(math.log(int(text)) ** 2 + 1))


def reference(rows, parts, min_count, count_all=False):
    """Ids of Criteo rows by dictionaries."""
    columns = []
    for index in range(1, 40):
        cells = [bucket(row[index]) if index < 14 else row[index] for row in rows]
        counted = [
            c for c, part in zip(cells, parts, strict=True) if c and (count_all or part == 0)
        ]
        counts = Counter(counted)
        kept = sorted((c for c in counts if counts[c] >= min_count), key=lambda c: (-counts[c], c))
        ids = {"": 0} | {cell: number for number, cell in enumerate(kept, start=2)}
        columns.append([ids.get(cell, 1) for cell in cells])
    return np.array(columns).T


def same_bytes(one, two):
    compared = filecmp.dircmp(one, two)
    if compared.left_only or compared.right_only:
        return False
    _, different, errors = filecmp.cmpfiles(one, two, compared.common_files, shallow=False)
    return not (different or errors) and all(
        same_bytes(one / name, two / name) for name in compared.common_dirs
    )


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def lines():
    return criteo_lines(seed=1, count=1500)


@pytest.fixture
def log(lines, tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("vocabulary_from", ["train", "all"])
@pytest.mark.parametrize("split", ["random", "last"])
def test_ids_are_those_of_a_plain_reading(log, lines, split, vocabulary_from, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 90_000)
    data = prepare(log, format="criteo", split=split, vocabulary_from=vocabulary_from)
    rule = {
        "random": RandomSplit(1500, FRACTIONS, 2021),
        "last": LastSplit(1500, FRACTIONS),
    }[split]
    parts = rule.parts(Span(0, 1500))
    rows = [line.split("\t") for line in lines]
    expected = reference(rows, parts, min_count=8, count_all=vocabulary_from == "all")
    for part, dataset in enumerate([data.train, data.valid, data.test]):
        np.testing.assert_array_equal(dataset.ids, expected[parts == part])
        labels = [int(row[0]) for row, its in zip(rows, parts, strict=True) if its == part]
        np.testing.assert_array_equal(dataset.labels, labels)
    assert data.info["parts"]["train"]["rows"] == 1200
    assert data.info["parts"]["train"]["clicks"] == data.train.num_clicks


def test_the_encoder_gives_the_prepared_ids(log, lines):
    data = prepare(log, format="criteo", split="last")
    names = [field.name for field in built_in_schema("criteo").fields]
    frame = pd.DataFrame([line.split("\t") for line in lines], columns=["label", *names])
    rows = data.encoder.encode(frame)
    parts = [data.train, data.valid, data.test]
    np.testing.assert_array_equal(rows.ids, np.concatenate([part.ids for part in parts]))
    np.testing.assert_array_equal(rows.labels, np.concatenate([part.labels for part in parts]))


@pytest.mark.parametrize("num_workers", [2, 5])
def test_the_number_of_workers_does_not_change_a_byte(log, tmp_path, num_workers, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 70_000)
    prepare(log, out=tmp_path / "one", format="criteo", num_workers=1)
    prepare(log, out=tmp_path / "more", format="criteo", num_workers=num_workers)
    assert same_bytes(tmp_path / "one", tmp_path / "more")


def test_the_size_of_blocks_does_not_change_a_byte(log, tmp_path, monkeypatch):
    prepare(log, out=tmp_path / "one", format="criteo")
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 50_000)
    prepare(log, out=tmp_path / "two", format="criteo")
    assert same_bytes(tmp_path / "one", tmp_path / "two")


def test_several_files_are_one_log(log, lines, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(lines[:700]))
    (tmp_path / "b.txt").write_text("\n".join(lines[700:]))
    whole = prepare(log, format="criteo")
    pieces = prepare([tmp_path / "a.txt", str(tmp_path / "b.txt")], format="criteo")
    np.testing.assert_array_equal(whole.train.ids, pieces.train.ids)
    np.testing.assert_array_equal(whole.test.ids, pieces.test.ids)


def test_separate_files_become_the_parts(log, lines, tmp_path):
    (tmp_path / "v.txt").write_text("\n".join(lines[:50]))
    (tmp_path / "t.txt").write_text("\n".join(lines[50:80]))
    data = prepare(log, valid=tmp_path / "v.txt", test=tmp_path / "t.txt", format="criteo")
    assert [len(data.train), len(data.valid), len(data.test)] == [1500, 50, 30]
    np.testing.assert_array_equal(data.valid.ids, data.train.ids[:50])
    only_test = prepare(log, test=tmp_path / "t.txt", format="criteo")
    assert [len(only_test.train), len(only_test.valid), len(only_test.test)] == [1333, 167, 30]


def test_min_count_replaces_the_default_of_the_schema(log):
    schema = Schema([Field("a"), Field("b", min_count=3)], label="click")
    frame = pd.DataFrame(
        {"a": list("xxxyyzz"), "b": list("xxxyyzz"), "click": [0, 1, 0, 1, 0, 1, 0]}
    )
    data = prepare(frame, schema=schema, min_count=2, fractions=(1.0, 0.0, 0.0))
    assert data.encoder.vocabularies["a"].tokens.texts() == ["x", "y", "z"]
    assert data.encoder.vocabularies["b"].tokens.texts() == ["x"]


def all_kinds(count=400):
    generator = np.random.default_rng(3)
    users = [f"user with a long name {n}" for n in range(30)]
    return pd.DataFrame(
        {
            "when": pd.to_datetime(generator.integers(0, 10**6, count) // 3600 * 3600, unit="s"),
            "user": generator.choice([*users, ""], count),
            "seen": [
                "|".join(generator.choice(users, generator.integers(4))) for _ in range(count)
            ],
            "page": generator.integers(0, 1000, count).astype(str),
            "price": np.where(generator.random(count) < 0.2, np.nan, generator.normal(7, 3, count)),
            "size": generator.normal(size=count),
            "click": generator.integers(0, 2, count),
        }
    )


ALL_KINDS = Schema(
    [
        Field("when", "timestamp"),
        Field("user", min_count=8),
        Field("seen", "multivalued", shares_with="user", max_slots=3),
        Field("page", hash_buckets=64),
        Field("price", "numeric"),
        Field("size", "numeric", transform="log1p"),
    ],
    label="click",
)


@pytest.mark.parametrize("as_file", [False, True])
def test_all_kinds_together(tmp_path, as_file):
    frame = all_kinds()
    frame.to_csv(tmp_path / "log.csv", index=False)
    source = tmp_path / "log.csv" if as_file else frame
    data = prepare(source, schema=ALL_KINDS, split="last")
    train = frame[:320]
    users = Counter(train["user"][train["user"] != ""])
    users.update(name for cell in train["seen"] for name in cell.split("|")[:3] if name)
    kept = sorted((u for u in users if users[u] >= 8), key=lambda u: (-users[u], u))
    assert data.encoder.vocabularies["user"].tokens.texts() == kept
    assert data.encoder.vocabularies["when_hour"].cardinality <= 26
    statistics = data.encoder.statistics["price"]
    np.testing.assert_allclose(statistics.mean, train["price"].mean(), rtol=1e-12)
    np.testing.assert_allclose(statistics.deviation, train["price"].std(ddof=0), rtol=1e-12)
    known = train["price"].notna().to_numpy()
    standard = (train["price"] - train["price"].mean()) / train["price"].std(ddof=0)
    np.testing.assert_allclose(data.train.values[known, 0], standard[known], rtol=1e-5, atol=1e-6)
    assert set(data.train.values[~known, 0].tolist()) == {1.0}
    rows = data.encoder.encode(frame)
    np.testing.assert_array_equal(rows.ids[320:360], data.valid.ids)
    np.testing.assert_array_equal(rows.values[360:], data.test.values)


def test_a_split_by_time_goes_by_time():
    frame = all_kinds()
    data = prepare(frame, schema=ALL_KINDS, split="time")
    order = frame.sort_values("when", kind="stable")["when"]
    assert abs(len(data.train) - 320) < 10
    assert len(data.train) + len(data.valid) + len(data.test) == 400
    assert order.iloc[len(data.train) - 1] < order.iloc[len(data.train)]


def test_a_dropped_column_can_cut_a_split_by_time():
    frame = all_kinds().drop(columns=["when"]).assign(ts=range(400, 0, -1))
    fields = [Field("ts", "dropped"), *ALL_KINDS.fields[1:]]
    schema = Schema(fields, label="click")
    data = prepare(frame, schema=schema, split="time", time_column="ts")
    np.testing.assert_array_equal(data.test.labels, frame["click"][:40])


def test_paper_protocol_is_on_request_only():
    frame = pd.DataFrame({"a": ["x"] * 8 + ["y", "z"], "click": [0, 1] * 5})
    honest = prepare(frame, split="last")
    leaking = prepare(frame, split="last", vocabulary_from="all")
    assert honest.encoder.vocabularies["a"].tokens.texts() == ["x"]
    assert leaking.encoder.vocabularies["a"].tokens.texts() == ["x", "y", "z"]


def test_statistics_are_those_of_training_rows_even_then():
    frame = pd.DataFrame({"n": [0.5, 1.5] * 4 + [90.5, 90.5], "click": [0, 1] * 5})
    for vocabulary_from in ("train", "all"):
        data = prepare(frame, split="last", vocabulary_from=vocabulary_from)
        assert data.encoder.statistics["n"].mean == 1.0


def test_the_same_preparation_is_opened_and_not_repeated(log, tmp_path):
    out = tmp_path / "data"
    prepare(log, out=out, format="criteo")
    before = (out / "train" / "ids.npy").stat().st_ino
    copy = tmp_path / "copy.txt"
    copy.write_bytes(log.read_bytes())
    prepare(copy, out=out, format="criteo", num_workers=3)
    assert (out / "train" / "ids.npy").stat().st_ino == before


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"split": "last"}, {"min_count": 2}, {"fractions": (0.9, 0.05, 0.05)}]
)
def test_another_preparation_needs_force(log, tmp_path, change):
    out = tmp_path / "data"
    prepare(log, out=out, format="criteo")
    with pytest.raises(
        FileExistsError, match="holds data prepared from another log, schema or opt"
    ):
        prepare(log, out=out, format="criteo", **change)
    forced = prepare(log, out=out, format="criteo", force=True, **change)
    fresh = prepare(log, format="criteo", **change)
    assert forced.info["fingerprint"] == fresh.info["fingerprint"]
    assert sorted(os.listdir(tmp_path)) == ["data", "log.txt"]


UNUSED = [
    ({"split": "last"}, {"seed": 1}),
    ({"split": "time"}, {"seed": 1}),
    ({"split": "time"}, {"time_column": "when"}),
    ({"fractions": (1.0, 0.0, 0.0)}, {"seed": 1, "split": "last"}),
]


@pytest.mark.parametrize(("options", "change"), UNUSED)
def test_what_the_split_does_not_use_changes_nothing(tmp_path, options, change):
    frame = all_kinds()
    out = tmp_path / "data"
    first = prepare(frame, out=out, schema=ALL_KINDS, **options)
    again = prepare(frame, out=out, schema=ALL_KINDS, **{**options, **change})
    assert again.info == first.info


def test_with_files_for_every_part_the_split_changes_nothing(tmp_path):
    frame = all_kinds()
    files = {"valid": frame[:50], "test": frame[50:90], "schema": ALL_KINDS}
    prepare(frame, out=tmp_path / "data", **files)
    again = prepare(frame, out=tmp_path / "data", split="last", fractions=(0.6, 0.2, 0.2), **files)
    assert len(again.train) == 400


def damage_ids(out):
    path = out / "train" / "ids.npy"
    path.write_bytes(path.read_bytes()[:-100])


def damage_vocabulary(out):
    (out / "vocabularies" / "013_C1.txt").unlink()


def damage_statistics(out):
    path = out / "schema.json"
    plain = json.loads(path.read_text())
    del plain["statistics"]
    write_json(path, plain)


@pytest.mark.parametrize("damage", [damage_ids, damage_vocabulary, damage_statistics])
def test_force_repairs_a_damaged_folder(log, tmp_path, damage):
    out = tmp_path / "data"
    whole = np.array(prepare(log, out=out, format="criteo").train.ids)
    damage(out)
    with pytest.raises(FileExistsError, match=r"; prepare it again with force$"):
        prepare(log, out=out, format="criteo")
    repaired = prepare(log, out=out, format="criteo", force=True)
    np.testing.assert_array_equal(repaired.train.ids, whole)
    assert sorted(os.listdir(tmp_path)) == ["data", "log.txt"]


def test_force_leaves_a_whole_folder_alone(log, tmp_path):
    prepare(log, out=tmp_path / "data", format="criteo")
    before = (tmp_path / "data" / "train" / "ids.npy").stat().st_ino
    prepare(log, out=tmp_path / "data", format="criteo", force=True)
    assert (tmp_path / "data" / "train" / "ids.npy").stat().st_ino == before


def test_one_changed_byte_is_another_log(log, tmp_path):
    out = tmp_path / "data"
    prepare(log, out=out, format="criteo")
    stat = log.stat()
    log.write_bytes(log.read_bytes()[:-2] + b"f\n")
    os.utime(log, (stat.st_atime, stat.st_mtime))
    with pytest.raises(FileExistsError, match="prepared from another log"):
        prepare(log, out=out, format="criteo")


def test_another_format_version_needs_force(log, tmp_path):
    out = tmp_path / "data"
    prepare(log, out=out, format="criteo")
    path = out / "schema.json"
    edit_json(path, format_version=0)
    with pytest.raises(
        FileExistsError, match=r"must have format_version 1 or 2, got 0; .* or replace it"
    ):
        prepare(log, out=out, format="criteo")
    assert len(prepare(log, out=out, format="criteo", force=True).train) == 1200


def test_a_folder_of_something_else_is_left_alone(log, tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    assert len(prepare(log, out=out, format="criteo").train) == 1200
    (out / "schema.json").unlink()
    for force in (False, True):
        with pytest.raises(
            FileExistsError, match="photos must be new, empty or prepared data, got"
        ):
            prepare(log, out=out, format="criteo", force=force)
    with pytest.raises(FileExistsError, match=r"log.txt must be a folder, got a file"):
        prepare(log, out=log, format="criteo")


def test_a_run_folder_is_left_alone(log, tmp_path):
    prepare(log, format="criteo").encoder.save(tmp_path / "run")
    with pytest.raises(FileExistsError, match="run must be new, empty or prepared data, got"):
        prepare(log, out=tmp_path / "run", format="criteo", force=True)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"format_version": 1}', '{"name": "x"}', '{"format_version": 1, "prepared": {}}'],
)
def test_a_schema_json_of_something_else_is_left_alone(log, tmp_path, content):
    out = tmp_path / "project"
    out.mkdir()
    (out / "schema.json").write_text(content)
    with pytest.raises(FileExistsError, match="project must be new, empty or prepared data, got"):
        prepare(log, out=out, format="criteo", force=True)
    assert (out / "schema.json").read_text() == content


def test_a_column_that_only_cuts_by_time_must_be_there():
    schema = Schema([Field("a"), Field("ts", "dropped", time_format="epoch")], label="click")
    frame = pd.DataFrame({"a": list("xyxy"), "click": [0, 1, 0, 1]})
    assert len(prepare(frame, schema=schema, split="last").train) == 3
    with pytest.raises(ValueError, match="column 'ts' is missing"):
        prepare(frame, schema=schema, split="time", time_column="ts")


@pytest.mark.parametrize("stage", ["read", "count", "write"])
def test_an_interrupted_preparation_leaves_nothing(log, tmp_path, stage):
    def interrupt(progress):
        if progress.stage == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(log, out=tmp_path / "data", format="criteo", progress=interrupt)
    assert os.listdir(tmp_path) == ["log.txt"]


def test_a_failed_replacement_keeps_the_old_folder(log, tmp_path):
    def interrupt(progress):
        if progress.stage == "write":
            raise KeyboardInterrupt

    prepare(log, out=tmp_path / "data", format="criteo")
    with pytest.raises(KeyboardInterrupt):
        prepare(log, out=tmp_path / "data", format="criteo", seed=1, force=True, progress=interrupt)
    assert load(tmp_path / "data").info["options"]["seed"] == 2021


def test_a_replacement_that_cannot_be_renamed_keeps_the_old_folder(log, tmp_path, monkeypatch):
    prepare(log, out=tmp_path / "data", format="criteo")
    rename = Path.rename

    def refuse(path, target):
        if path.name.endswith(".partial"):
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr("ctrkit.data.storing.folder.exchange", lambda one, other: False)
    with pytest.raises(OSError, match="no"):
        prepare(log, out=tmp_path / "data", format="criteo", seed=1, force=True)
    assert load(tmp_path / "data").info["options"]["seed"] == 2021
    assert sorted(os.listdir(tmp_path)) == ["data", "log.txt"]


def test_what_a_killed_preparation_leaves_is_not_taken_for_whole(log, tmp_path):
    prepare(log, out=tmp_path / "data", format="criteo")
    (tmp_path / "data").rename(tmp_path / ".data.1234.partial")
    (tmp_path / ".data.1234.partial" / "schema.json").unlink()
    with pytest.raises(FileNotFoundError, match="not prepared data, or incomplete"):
        load(tmp_path / ".data.1234.partial")
    assert len(prepare(log, out=tmp_path / "data", format="criteo").train) == 1200


def test_a_folder_that_cannot_be_written_is_named(log, tmp_path):
    with pytest.raises(OSError, match=r"log.txt must be a folder, got a file"):
        prepare(log, out=log / "data", format="criteo")


def test_a_protected_folder_is_named(log, tmp_path, monkeypatch):
    make = Path.mkdir

    def refuse(path, *arguments, **options):
        if path.name.endswith(".partial"):
            # Raised here, because the superuser may write everywhere.
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OSError, match=r"cannot write to .*protected: Permission denied"):
        prepare(log, out=tmp_path / "protected" / "data", format="criteo")


def test_progress_tells_every_stage(log):
    seen = []
    prepare(log, format="criteo", progress=seen.append)
    assert list(dict.fromkeys(one.stage for one in seen)) == ["read", "count", "write"]
    for stage in ("read", "count", "write"):
        last = [one for one in seen if one.stage == stage][-1]
        assert (last.num_rows, last.fraction) == (1500, 1.0)


BAD_LINES = [
    (lambda cells: cells[:-1], "log.txt, line 101: must have 40 columns, got 39"),
    (lambda cells: [*cells, "x"], "log.txt, line 101: must have 40 columns, got 41"),
    (lambda cells: ["2", *cells[1:]], "log.txt, line 101: column label must be 0 or 1, got '2'"),
    (lambda cells: ["", *cells[1:]], "log.txt, line 101: column label must be 0 or 1, got ''"),
    (
        lambda cells: [cells[0], "12a", *cells[2:]],
        "log.txt, line 101: column I1 must be a whole number or empty, got '12a'",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_left(lines, tmp_path, spoil, message):
    spoilt = "\t".join(spoil(lines[100].split("\t")))
    path = tmp_path / "log.txt"
    path.write_text("\n".join([*lines[:100], spoilt, *lines[100:]]))
    with pytest.raises(ValueError, match=message):
        prepare(path, out=tmp_path / "data", format="criteo")
    assert os.listdir(tmp_path) == ["log.txt"]


def test_the_first_bad_line_is_named_whatever_the_workers(lines, tmp_path, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 50_000)
    path = tmp_path / "log.txt"
    path.write_text("\n".join([*lines[:700], "x", *lines[700:900], "y", *lines[900:]]))
    with pytest.raises(ValueError, match="line 701: must have 40 columns, got 1"):
        prepare(path, format="criteo", num_workers=4)


def test_columns_must_be_those_of_the_schema(tmp_path):
    frame = pd.DataFrame({"a": ["x"], "b": ["y"], "click": [0]})
    with pytest.raises(ValueError, match=r"column 'b' is not in the schema.*kind = \"dropped\""):
        prepare(frame, schema=Schema([Field("a")], label="click"))
    with pytest.raises(ValueError, match="column 'c' is missing"):
        prepare(frame, schema=Schema([Field("a"), Field("b"), Field("c")], label="click"))
    with pytest.raises(ValueError, match="column 'label' is missing"):
        prepare(frame, schema=Schema([Field("a"), Field("b"), Field("click")]))


OPTION_ERRORS = [
    ({"split": "rndom"}, "unknown split 'rndom'; did you mean 'random'?"),
    ({"format": "cvs"}, "unknown format 'cvs'; did you mean 'csv'?"),
    ({"fractions": (0.5, 0.1)}, "fractions must be three numbers"),
    ({"min_count": 0}, "min_count must be positive, got 0"),
    ({"seed": -1}, "seed must not be negative, got -1"),
    ({"seed": 2**63}, "seed must be at most 9223372036854775807, got 9223372036854775808"),
    ({"vocabulary_from": "test"}, "unknown vocabulary_from 'test'"),
    ({"time_column": "t"}, "time_column needs split 'time', got split 'random'"),
    ({"num_workers": 0}, "num_workers must be positive, got 0"),
]


@pytest.mark.parametrize(("options", "message"), OPTION_ERRORS)
def test_wrong_options_are_refused_when_the_object_is_built(options, message):
    with pytest.raises(ValueError, match=message):
        PrepareConfig(**options)


def test_a_split_by_time_without_a_time_says_what_to_do(log):
    with pytest.raises(
        ValueError, match=r"schema has none of kind timestamp; .* split 'last' does"
    ):
        prepare(log, format="criteo", split="time")
    with pytest.raises(ValueError, match="unknown column 'C27'; did you mean"):
        prepare(log, format="criteo", split="time", time_column="C27")


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.txt does not exist"):
        prepare(tmp_path / "none.txt", format="criteo")
    (tmp_path / "empty.txt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty.txt is empty"):
        prepare(tmp_path / "empty.txt", format="criteo")


def test_avazu_gives_23_fields(tmp_path):
    generator = np.random.default_rng(5)
    fields = [field.name for field in built_in_schema("avazu").fields]
    with (tmp_path / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "click", *fields[1:]])
        for number in range(300):
            hour = f"141021{number % 24:02d}"
            cells = [f"{generator.integers(9):08x}" for _ in fields[2:]]
            writer.writerow([f"1{number:020d}", number % 2, hour, *cells])
    data = prepare(tmp_path / "log.csv", format="avazu", split="time")
    assert data.train.ids.shape[1] == 23
    assert data.encoder.vocabularies["hour_weekday"].tokens.texts() == ["1"]
    assert len(data.encoder.vocabularies["hour_hour"]) == 19


def test_a_log_may_come_through_a_pipe(lines, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("\n".join(lines),))
    writer.start()
    data = prepare(pipe, format="criteo")
    writer.join()
    assert len(data.train) == 1200


@pytest.mark.slow
def test_memory_does_not_grow_with_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 1 << 20)
    peaks = []
    for rows in (100_000, 800_000):
        log = generate(tmp_path / f"{rows}.txt", rows=rows, seed=1)
        tracemalloc.start()
        try:
            prepare(log.path, format="criteo", out=tmp_path / f"{rows}", num_workers=1)
            peaks.append(tracemalloc.get_traced_memory()[1] >> 20)
        finally:
            tracemalloc.stop()
    # 10 and 29 MiB: the vocabularies grow, up to a bound the keys that are counted at once. Codes
    # or encoded rows kept in memory add 100 MiB, the text 180.
    assert peaks[1] - peaks[0] < 50, f"peaks of {peaks} MiB"


def test_a_folder_that_is_replaced_while_it_is_opened_is_opened_whole(tmp_path):
    out = tmp_path / "data"
    frames = [
        pd.DataFrame({"user": [f"{name}{n}" for n in range(40)], "click": [0, 1] * 20})
        for name in "ab"
    ]
    prepare(frames[0], out=out)
    stop = threading.Event()

    def replace() -> None:
        for number in itertools.count():
            prepare(frames[number % 2], out=out, force=True)
            if stop.is_set():
                return

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            data = load(out)
            assert {text[0] for text in data.encoder.vocabularies["user"].tokens.texts()} in (
                {"a"},
                {"b"},
            )
    finally:
        stop.set()
        writer.join()


def test_a_folder_that_is_damaged_is_not_opened_again_and_again(log, tmp_path):
    prepare(log, out=tmp_path / "data", format="criteo")
    (tmp_path / "data" / "train" / "ids.npy").unlink()
    with pytest.raises(FileNotFoundError, match="incomplete"):
        load(tmp_path / "data")


@pytest.mark.slow
def test_ten_thousand_columns_are_prepared_in_linear_time_and_memory(tmp_path):
    times = {}
    for size in (500, 10_000):
        columns = [f"c{number}" for number in range(size)]
        line = ",".join(f"{number % 7}.5" for number in range(size))
        lines = [f"{line},{row % 2}" for row in range(300)]
        header = ",".join([*columns, "label"])
        (tmp_path / "log.csv").write_text("\n".join([header, *lines, ""]))
        begin = time.process_time()
        data = prepare(tmp_path / "log.csv", out=tmp_path / str(size), num_workers=1)
        load(tmp_path / str(size))
        times[size] = time.process_time() - begin
        assert data.train.values.shape == (240, size)
        assert not data.train.values.any()
    assert times[10_000] < 40 * times[500]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_many_long_categories_take_the_memory_that_is_stated(tmp_path):
    # docs/memory.md: 100 bytes a category and twice its text while it is fitted.
    num_rows, length = 500_000, 100
    with (tmp_path / "log.csv").open("w") as file:
        file.write("url,label\n")
        file.writelines(f"{number:0{length}d},{number % 2}\n" for number in range(num_rows))
    script = (
        "import sys; from ctrkit.data import Field, Schema, prepare\n"
        "prepare(sys.argv[1], schema=Schema([Field('url')]), num_workers=1,"
        " fractions=(1.0, 0.0, 0.0))\n"
        # The peak since the program began; getrusage knows that of the process that started it.
        "print(next(line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "log.csv")]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(found.stdout) * 1024 < (400 << 20) + num_rows * (100 + 2 * length)
