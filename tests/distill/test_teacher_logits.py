"""Teachers and their cached logits: computed once, refused where they do not belong."""

import importlib
import linecache
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from edited import edit_json
from small import DATA, make_teacher, unchanged, weights
from torch import nn

from ctrkit.data import PreparedData, prepare
from ctrkit.distill import load_logits, teacher_logits
from ctrkit.distill.teachers import compute_logits, fingerprint_of
from ctrkit.models import CrossNet
from ctrkit.synthetic import generate
from ctrkit.training import score


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> PreparedData:
    folder = tmp_path_factory.mktemp("prepared")
    generate(folder / "criteo.txt", rows=1000, seed=1)
    return prepare(folder / "criteo.txt", format="criteo", out=folder / "data")


@pytest.fixture
def data(whole, tmp_path) -> PreparedData:
    """A copy of its own for each test, without teachers."""
    ignored = shutil.ignore_patterns("teachers")
    return PreparedData(shutil.copytree(whole.path, tmp_path / "data", ignore=ignored))


@pytest.fixture
def teacher(whole) -> CrossNet:
    torch.manual_seed(0)
    return CrossNet(whole.cardinalities, embedding_dim=4, embedding_init="xavier_normal")


class Counting:
    """A callable teacher that counts how many rows it has seen."""

    def __init__(self, model, fingerprint=None):
        self.model = model
        self.rows = 0
        if fingerprint is not None:
            self.fingerprint = fingerprint

    def __call__(self, ids):
        self.rows += len(ids)
        return self.model(ids)


def test_logits_are_those_of_the_teacher_in_eval_mode(teacher, data):
    teacher.train()
    before = weights(teacher)
    found = teacher_logits(teacher, data)
    assert np.array_equal(found.train, score(teacher, data.train))
    assert np.array_equal(found.valid, score(teacher, data.valid))
    assert teacher.training
    assert unchanged(teacher, before)


def test_a_teacher_is_run_once_for_a_data_set(teacher, data):
    counting = Counting(teacher, fingerprint="crossnet of this test")
    first = teacher_logits(counting, data)
    seen = counting.rows
    again = teacher_logits(counting, PreparedData(data.path))
    assert seen == len(data.train) + len(data.valid)
    assert counting.rows == seen
    assert (first.reused, again.reused) == (False, True)
    assert np.array_equal(first.train, again.train)
    assert np.array_equal(first.valid, again.valid)
    assert isinstance(first.train.base, np.memmap)  # kept on the disk, not in memory as well


def test_a_callable_without_a_fingerprint_is_not_kept(teacher, data):
    found = teacher_logits(Counting(teacher), data)
    assert found.folder is None
    assert not (data.path / "teachers").exists()
    assert np.allclose(found.train, score(teacher, data.train), atol=1e-6)


def test_a_callable_may_return_numpy():
    found = compute_logits(lambda ids: ids.numpy()[:, 0] * 1.0, DATA.train, what="training")
    assert np.array_equal(found, DATA.train.ids[:, 0].astype(np.float32))


def test_an_ensemble_is_the_mean_of_its_logits():
    one, other = make_teacher(0), make_teacher(1)
    found = compute_logits([one, other], DATA.train, what="training")
    mean = (score(one, DATA.train).astype(np.float64) + score(other, DATA.train)) / 2
    assert np.allclose(found, mean, atol=1e-7)


def test_fingerprint_tells_weights_options_and_fields_apart():
    teacher = make_teacher()
    first = fingerprint_of(teacher)
    assert fingerprint_of(make_teacher()) == first
    assert fingerprint_of([teacher, make_teacher(1)]) != first
    assert fingerprint_of(make_teacher(num_layers=2)) != first
    with torch.no_grad():
        teacher.output.bias += 1e-7
    assert fingerprint_of(teacher) != first


def test_another_teacher_gets_logits_of_its_own(teacher, data):
    first = teacher_logits(teacher, data)
    with torch.no_grad():
        teacher.output.bias += 1
    second = teacher_logits(teacher, data)
    assert second.folder != first.folder
    assert np.allclose(second.train, first.train + 1, atol=1e-5)


def test_logits_of_another_data_set_are_refused(teacher, data, tmp_path):
    kept = teacher_logits(teacher, data).folder
    generate(tmp_path / "other.txt", rows=1000, seed=2)
    other = prepare(tmp_path / "other.txt", format="criteo", out=tmp_path / "other")
    with pytest.raises(ValueError, match="holds logits for another data set"):
        load_logits(kept, other)
    # Nor are they used when they lie where this data set's would.
    its_teacher = CrossNet(other.cardinalities, embedding_dim=4)
    own = teacher_logits(its_teacher, other).folder
    shutil.rmtree(own)
    shutil.copytree(kept, own)
    with pytest.raises(ValueError, match="holds logits for another data set"):
        teacher_logits(its_teacher, other)


def test_logits_of_another_teacher_are_refused(teacher, data):
    kept = teacher_logits(teacher, data).folder
    with pytest.raises(ValueError, match="holds the logits of another teacher"):
        load_logits(kept, data, teacher="0" * 64)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def drop(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flip_a_byte, cut, drop])
@pytest.mark.parametrize("part", ["train", "valid"])
def test_damaged_logits_are_refused(damage, part, teacher, data):
    kept = teacher_logits(teacher, data).folder
    damage(kept / f"{part}.npy")
    with pytest.raises(ValueError, match=rf"{part}.npy is damaged .*; remove "):
        teacher_logits(teacher, data)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format_version": 1}'])
def test_a_damaged_description_is_refused(content, teacher, data):
    kept = teacher_logits(teacher, data).folder
    (kept / "logits.json").write_text(content)
    with pytest.raises(ValueError, match="remove the folder"):
        teacher_logits(teacher, data)


def test_another_format_version_is_refused(teacher, data):
    kept = teacher_logits(teacher, data).folder
    edit_json(kept / "logits.json", format_version=99)
    with pytest.raises(ValueError, match="must have format version 1, got 99"):
        teacher_logits(teacher, data)


def own_class(method: str, module: str = "typed"):
    """Return a class whose source is nowhere, as at a prompt, or is that of a module."""
    namespace = {"__name__": module, "CrossNet": CrossNet}
    exec(f"class Own(CrossNet):\n    def interact(self, vectors):\n        {method}\n", namespace)
    return namespace["Own"]


def test_the_code_of_a_class_of_the_callers_own_is_in_its_fingerprint(data, tmp_path, monkeypatch):
    """It may be another one in the next run, under the same name."""

    def found(kind, **attributes):
        torch.manual_seed(0)
        own = kind(data.cardinalities, embedding_dim=4)
        for name, value in attributes.items():
            setattr(own, name, value)
        return fingerprint_of(own)

    plain, other = (
        own_class("return vectors.sum((1, 2))"),
        own_class("return vectors.sum((1, 2)) + 1"),
    )
    assert found(plain) == found(own_class("return vectors.sum((1, 2))")) != found(other)
    assert found(plain, fingerprint="1") == found(other, fingerprint="1") != found(plain)
    assert found(plain, fingerprint="1") != found(plain, fingerprint="2")
    monkeypatch.syspath_prepend(tmp_path)
    fingerprints = []
    for shift in (0, 0, 1):
        code = (
            f"HELP = {shift}\nfrom ctrkit.models import CrossNet\nclass Own(CrossNet):\n    pass\n"
        )
        (tmp_path / "fingerprinted.py").write_text(code)
        sys.modules.pop("fingerprinted", None)
        linecache.clearcache()
        fingerprints.append(found(importlib.import_module("fingerprinted").Own))
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_logits_of_a_class_of_the_callers_own_are_kept(data):
    own = own_class("return vectors.sum((1, 2))")(data.cardinalities, embedding_dim=4)
    assert teacher_logits(own, data).folder is not None


def test_values_are_given_where_there_are_some():
    ids, values = np.zeros((3, 1), np.int32), np.arange(3, dtype=np.float32).reshape(3, 1)
    rows = SimpleNamespace(ids=ids, labels=np.array([0, 1, 0]), values=values)
    found = compute_logits(lambda ids, values: values[:, 0], rows, what="training")
    assert np.array_equal(found, values[:, 0])


def test_a_module_teaches_in_eval_mode():
    """Any module is a callable on ids; its dropout must not drop out."""
    torch.manual_seed(0)
    layers = (nn.Embedding(6, 4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0))
    module = nn.Sequential(*layers).train()
    first, second = (compute_logits(module, DATA.train, what="training") for _ in range(2))
    assert np.array_equal(first, second)
    assert module.training


def test_a_teacher_for_other_fields_than_the_datas_is_refused(data):
    """Its ids would be in range, and mean something else."""
    wider = [entry + 50 for entry in data.cardinalities]
    with pytest.raises(ValueError, match=r"the teacher's fields must be those of .* instead of"):
        teacher_logits(CrossNet(wider, embedding_dim=4), data)


def test_a_folder_that_cannot_be_written_is_named_before_the_teacher_runs(
    teacher, data, monkeypatch
):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    counting = Counting(teacher, fingerprint="a teacher")
    with pytest.raises(OSError, match=r"cannot keep the teacher's logits .*; copy the prepared"):
        teacher_logits(counting, data)
    assert counting.rows == 0


def test_unfinished_logits_are_computed_again(teacher, data):
    kept = teacher_logits(teacher, data)
    (kept.folder / "logits.json").unlink()
    assert not teacher_logits(teacher, data).reused


def test_a_folder_without_logits_is_named(data, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no teacher's logits"):
        load_logits(tmp_path, data)


def test_logits_that_are_not_finite_are_refused():
    teacher = make_teacher()
    with torch.no_grad():
        teacher.embedding.tables[0][0] = float("nan")
    row = int(np.flatnonzero(DATA.train.ids[:, 0] == 0)[0])
    with pytest.raises(ValueError, match=f"logits must be finite, got nan for row {row} of the tr"):
        compute_logits(teacher, DATA.train, what="training")


def test_a_callable_that_returns_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"logits of shape \(2000,\) .* got \(2000, 1\)"):
        compute_logits(lambda ids: torch.zeros(len(ids), 1), DATA.train, what="training")


@pytest.mark.parametrize(
    ("teacher", "error", "message"),
    [
        ([], ValueError, "at least one model, got an empty sequence"),
        (["crossnet"], TypeError, "every member of an ensemble must be a CTRModel, got str"),
        ("crossnet", TypeError, "teacher must be a CTRModel, .* got str"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_what_is_no_teacher_is_refused(teacher, error, message):
    with pytest.raises(error, match=message):
        compute_logits(teacher, DATA.train, what="training")


def test_a_teacher_of_other_fields_is_refused():
    teacher = CrossNet([6, 6], embedding_dim=4)
    with pytest.raises(ValueError, match=r"ids must have shape \(N, 2\)"):
        compute_logits(teacher, DATA.train, what="training")
