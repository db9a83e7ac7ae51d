"""Datasets and prepared folders, opened."""

from __future__ import annotations

import gc
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from edited import edit_json, write_json

from ctrkit.data import Dataset, load, prepare

IDS = np.ones((3, 2), dtype=np.int32)


@pytest.fixture
def prepared(tmp_path):
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "user": generator.integers(0, 9, 200).astype(str),
            "price": generator.normal(size=200),
            "click": generator.integers(0, 2, 200),
        }
    )
    return prepare(frame, out=tmp_path / "data")


def test_arrays_are_mapped_and_not_read(prepared):
    for array in (prepared.train.ids, prepared.train.labels, prepared.train.values):
        assert isinstance(array.base, np.memmap)


def test_take_gives_rows_by_slice_and_by_position(prepared):
    data = prepared.train
    some = data.take([5, 3])
    part = data.take(slice(3, 6))
    np.testing.assert_array_equal(some.ids, part.ids[[2, 0]])
    np.testing.assert_array_equal(some.values, part.values[[2, 0]])
    np.testing.assert_array_equal(some.labels, part.labels[[2, 0]])
    with pytest.raises(IndexError):
        data.take([160])


def test_counts(prepared):
    data = prepared.train
    assert len(data) == data.num_rows == 160
    assert data.num_clicks == int(data.labels.sum())
    assert data.click_rate == data.num_clicks / 160


@pytest.mark.parametrize("bad", [-1, 11, 2**31 - 1])
def test_an_id_out_of_range_is_named(prepared, bad):
    ids = np.array(prepared.train.ids)
    ids[7, 0] = bad
    np.save(prepared.path / "train" / "ids.npy", ids)
    message = rf"ids.npy, row 7: field user has id {bad} but its ids end at 10; encode with"
    with pytest.raises(ValueError, match=message):
        load(prepared.path)
    assert load(prepared.path, check=False).train.ids[7, 0] == bad


def test_pickling_opens_the_files_again(prepared):
    packed = pickle.dumps(prepared.train)
    assert len(packed) < 2000
    data = pickle.loads(packed)
    assert isinstance(data.ids.base, np.memmap)
    np.testing.assert_array_equal(data.ids, prepared.train.ids)


def test_pickling_keeps_arrays_in_memory():
    data = Dataset(np.ones((3, 2), np.int32), np.array([0, 1, 1], np.uint8))
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(copy.ids, data.ids)
    assert copy.num_clicks == 2


def test_a_part_without_rows_can_be_opened(tmp_path):
    frame = pd.DataFrame({"a": list("xyxy"), "click": [0, 1, 0, 1]})
    data = prepare(frame, out=tmp_path / "data", fractions=(1.0, 0.0, 0.0))
    assert len(data.test) == 0
    assert data.test.ids.shape == (0, 1)
    assert repr(data.test) == "Dataset(0 rows, 1 id columns)"
    assert "<td>0</td><td>–</td>" in data._repr_html_()
    assert "nan" not in data._repr_html_()


def test_objects_show_themselves(prepared):
    assert repr(prepared) == ("PreparedData(train 160, valid 20, test 20 rows, 2 fields, 45 ids)")
    assert repr(prepared.train).startswith("Dataset(160 rows, 2 id columns, 1 value columns, ")
    assert prepared._repr_html_().count("<tr>") == 4
    assert "160 rows" in prepared.train._repr_html_()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((IDS[:, 0], np.ones(3)), r"ids must have shape \(N, S\), got \(3,\)"),
        ((IDS, np.ones(2)), r"labels must have shape \(3,\), one per row of ids, got \(2,\)"),
        ((IDS, np.ones(3), np.ones(3)), r"values must have shape \(3, V\), got \(3,\)"),
    ],
)
def test_shapes_must_fit(arrays, message):
    with pytest.raises(ValueError, match=message):
        Dataset(*arrays)


def test_ids_must_be_int32():
    with pytest.raises(TypeError, match="ids must be int32, got int64"):
        Dataset(IDS.astype(np.int64), np.ones(3))


def test_a_temporary_folder_lives_as_long_as_any_part_of_it():
    frame = pd.DataFrame({"a": list("xyxyxyxyxy"), "click": [0, 1] * 5})
    data = prepare(frame)
    path, train = data.path, data.train
    del data
    gc.collect()
    assert path.exists()
    assert len(pickle.loads(pickle.dumps(train))) == 8
    del train
    gc.collect()
    assert not path.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none does not exist; make it with ctrkit prepare"):
        load(tmp_path / "none")


def test_the_folder_of_a_run_is_not_prepared_data(prepared, tmp_path):
    prepared.encoder.save(tmp_path / "run")
    with pytest.raises(ValueError, match="is a run's schema, not prepared data"):
        load(tmp_path / "run")


def cut_ids(folder):
    path = folder / "train" / "ids.npy"
    path.write_bytes(path.read_bytes()[:-100])


def drop_labels(folder):
    (folder / "test" / "labels.npy").unlink()


def shorten(folder):
    for name in ("ids", "labels", "values"):
        path = folder / "valid" / f"{name}.npy"
        np.save(path, np.load(path)[:-1])


def widen(folder):
    path = folder / "valid" / "ids.npy"
    np.save(path, np.repeat(np.load(path), 2, axis=1))


def drop_values(folder):
    (folder / "train" / "values.npy").unlink()


def other_version(folder):
    edit_json(folder / "schema.json", format_version=0)


def forget_rows(folder):
    path = folder / "schema.json"
    plain = json.loads(path.read_text())
    del plain["prepared"]["parts"]["valid"]
    write_json(path, plain)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (forget_rows, "schema.json is damaged: it must hold prepared.parts.valid.rows"),
        (cut_ids, "ids.npy is damaged"),
        (drop_labels, "labels.npy does not exist, the folder is incomplete"),
        (shorten, r"ids.npy must have shape \(20, 2\) as schema.json says, got \(19, 2\)"),
        (widen, r"ids.npy must have shape \(20, 2\) as schema.json says, got \(20, 4\)"),
        (drop_values, "train must hold 1 columns of values, got 0"),
        (other_version, "must have format_version 1 or 2, got 0"),
    ],
)
def test_a_damaged_folder_is_refused(prepared, damage, message):
    damage(prepared.path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(prepared.path)
