"""Folders from strangers: nothing in them is executed, leads elsewhere, or asks for memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from edited import edit_json, write_json

from ctrkit.cli import main
from ctrkit.data import load, prepare
from ctrkit.distill.teacher_logits import load_logits, teacher_logits
from ctrkit.fields import FieldShape
from ctrkit.files.json_files import MAX_JSON_BYTES, load_json
from ctrkit.files.npy import map_array
from ctrkit.files.toml import MAX_BYTES, load_toml
from ctrkit.models.catalog import blueprint
from ctrkit.runs import Recipe, Run, train_run
from ctrkit.training import TrainConfig, latency
from ctrkit.training.checkpoints.weights import load_tensors, save_tensors


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with prepared data, a run of it and the run's logits."""
    folder = tmp_path_factory.mktemp("made")
    frame = pd.DataFrame(
        {
            "user": [f"u{row % 5}" for row in range(60)],
            "price": [0.5 * row for row in range(60)],
            "click": [row % 2 for row in range(60)],
        }
    )
    data = prepare(frame, out=folder / "data", split="last")
    options = {"num_layers": 1, "embedding_dim": 2}
    train_run(
        data,
        model="crossnet",
        model_options=options,
        config=TrainConfig(epochs=1),
        out=folder / "run",
    )
    teacher_logits(Run(folder / "run").model, data)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "from_a_stranger")


class Malice:
    """Pickled, it is a command; unpickled, the command is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_command_in_a_checkpoint_is_not_executed(folder, tmp_path):
    proof = tmp_path / "executed"
    path = folder / "run/checkpoints/best.pt"
    torch.save({"model": Malice(proof)}, path)
    with pytest.raises(ValueError, match=r"best.pt must be a ctrkit checkpoint, .*system"):
        Run(folder / "run")
    path.write_bytes(pickle.dumps({"model": Malice(proof)}))
    with pytest.raises(ValueError, match=r"best.pt must be a ctrkit checkpoint"):
        Run(folder / "run")
    assert not proof.exists()
    pickle.loads(path.read_bytes())
    assert proof.exists()  # the command was a real one


def test_a_command_in_an_array_is_not_executed(folder, tmp_path):
    proof = tmp_path / "executed"
    labels = np.empty(48, dtype=object)
    labels[:] = Malice(proof)
    np.save(folder / "data/train/labels.npy", labels, allow_pickle=True)
    with pytest.raises(ValueError, match=r"labels.npy must hold uint8 .* got \|O of shape \(48,\)"):
        load(folder / "data")
    assert not proof.exists()


def write_packed(path, compression):
    with zipfile.ZipFile(path) as archive:
        parts = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts:
            archive.writestr(name, content)


def test_a_compressed_checkpoint_is_refused(folder):
    path = folder / "run/checkpoints/best.pt"
    write_packed(path, zipfile.ZIP_STORED)
    write_packed(path, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"best.pt .*: part .* is compressed"):
        load_tensors(path)


def test_a_row_repeated_a_billion_times_is_refused(tmp_path):
    save_tensors(tmp_path / "best.pt", {"model": {"table": torch.zeros(1).expand(10**12)}})
    with pytest.raises(ValueError, match=r"a tensor of shape \(1000000000000,\) has fewer numbers"):
        load_tensors(tmp_path / "best.pt")


def test_a_file_with_holes_is_not_read_for_minutes(folder):
    with (folder / "run/checkpoints/best.pt").open("r+b") as file:
        file.truncate(1 << 40)
    message = r"best.pt must hold the weights of this run, \d+ bytes, got 1,099,511,627,776"
    with pytest.raises(ValueError, match=message):
        Run(folder / "run")


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_byte_in_weights_is_noticed(folder, at):
    path = folder / "run/checkpoints/best.pt"
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        data = archive.read(largest)
    content = bytearray(path.read_bytes())
    content[content.index(data) + int(at * len(data))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"best.pt .* is damaged: its checksum differs; copy it"):
        load_tensors(path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"options": {"embedding_dim": 10**8}},
            r"embedding.directions must be float32 of shape \(1, 10{8}\)",
        ),
        ({"options": {"embedding_dim": 10**9}}, "its sizes are too large"),
        ({"options": {"embedding_dim": 10**15}}, "its sizes are too large"),
        ({"options": {"num_layers": 10**9}}, "num_layers must be at most 1000"),
        ({"cardinalities": [10**12, 10**12]}, "its fields must be those of the schema"),
        ({"cardinalities": [7.0, 2]}, "option 'cardinality' must be int, got 7.0"),
        ({"cardinalities": [True, 2]}, "option 'cardinality' must be int, got True"),
        ({"name": ["crossnet"]}, "model.name must be str"),
        ({"name": "nothing"}, "unknown model 'nothing'"),
    ],
)
def test_a_recipe_for_another_model_is_refused_before_it_is_built(folder, model, message):
    path = folder / "run/config.json"
    config = json.loads(path.read_text())
    write_json(path, config | {"model": config["model"] | model})
    with pytest.raises(ValueError, match=rf"from_a_stranger/run/.*{message}"):
        Run(folder / "run")


def test_a_schema_for_larger_vocabularies_is_refused_before_they_are_read(folder):
    edit_json(folder / "data/schema.json", vocabulary_sizes={"user": 10**12})
    with pytest.raises(ValueError, match=r"000_user.txt must hold 1000000000000 categories, got 5"):
        load(folder / "data")


def test_a_new_model_must_fit_the_memory(made):
    message = r"the weights of crossnet must fit the memory of this machine, .* GB; reduce"
    recipe = Recipe(model="crossnet", options={"embedding_dim": 10**8}).on(load(made / "data"))
    with pytest.raises(ValueError, match=message):
        recipe.new_model()


def header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin as a .npy file does"),
        (b"\x93NUMPY\x02\x00" + bytes(200), "does not begin as a .npy file does"),
        (header("{" * 200 + "\n"), "does not begin as a .npy file does"),
        (header("{'descr': __import__('os').abort()}\n"), "does not begin as a .npy file does"),
        (header("-" * 60_000 + "1\n"), "does not begin as a .npy file does"),
        *(
            (
                header(f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}, }}\n") + rows,
                "does not begin as a .npy file does",
            )
            for shape, rows in [
                ("(-3, -2)", bytes(24)),
                ("(True, 2)", bytes(8)),
                ("(0, 1e3)", b""),
                (f"(0, {10**30})", b""),
            ]
        ),
        (
            header("{'descr': '?i4', 'fortran_order': False, 'shape': (6,), }\n").replace(
                b"?", b"\xd5"
            ),
            "does not begin as a .npy file does",
        ),
        (
            header("{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2), }\n") + bytes(20),
            r"shape \(3, 2\) takes 24 bytes, the file has 20",
        ),
        (
            header("{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2), }\n") + bytes(28),
            r"shape \(3, 2\) takes 24 bytes, the file has 28",
        ),
        (
            header("{'descr': '<i4', 'fortran_order': False, 'shape': (999999999999, 9), }\n"),
            "takes 35,999,999,999,964 bytes, the file has 0",
        ),
        (
            header("{'descr': '<i4', 'fortran_order': True, 'shape': (3, 2), }\n") + bytes(24),
            "row by row, got <i4 of shape .*, fortran_order True",
        ),
        (
            header("{'descr': '>i4', 'fortran_order': False, 'shape': (3, 2), }\n") + bytes(24),
            "must hold int32 .* got >i4",
        ),
        (
            header("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3, 1), }\n") + bytes(24),
            r"must hold int32 .* got <M8\[ns\]",
        ),
        (
            header("{'descr': '<i4', 'fortran_order': False, 'shape': (6,), }\n") + bytes(24),
            r"in 2 dimensions, row by row, got <i4 of shape \(6,\)",
        ),
    ],
)
def test_an_array_that_is_not_what_it_should_be_is_refused(tmp_path, content, message):
    path = tmp_path / "ids.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"ids.npy .*{message}"):
        map_array(path, "<i4", 2)


@pytest.mark.parametrize("name", ["ids", "labels", "values"])
def test_a_flipped_byte_in_rows_is_noticed(folder, name):
    path = folder / f"data/train/{name}.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}.npy is damaged: its checksum is"):
        load(folder / "data")


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [
        ("labels", 2, "labels.npy, row 7: a label must be 0 or 1, got 2"),
        ("values", np.nan, r"values.npy, row 7: values must be finite, got \[nan\]"),
    ],
)
def test_numbers_that_no_preparation_makes_are_refused(folder, name, number, message):
    path = folder / f"data/train/{name}.npy"
    array = np.load(path)
    array[7] = number
    np.save(path, array)
    with pytest.raises(ValueError, match=message):
        load(folder / "data")


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("data/train/ids.npy", "data"),
        ("data/train", "data"),
        ("data/schema.json", "data"),
        ("data/vocabularies/000_user.txt", "data"),
        ("run/checkpoints", "run"),
        ("run/checkpoints/best.pt", "run"),
        ("run/config.json", "run"),
        ("run/schema.json", "run"),
    ],
)
def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path, name, opened):
    path = folder / name
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    with pytest.raises(ValueError, match=rf"{name}.* must lie in .*{opened}.*, got a link to"):
        (load if opened == "data" else Run)(folder / opened)


def test_logits_are_not_kept_behind_a_link(folder, tmp_path):
    shutil.rmtree(folder / "data/teachers")
    (tmp_path / "elsewhere").mkdir()
    (folder / "data/teachers").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"teachers/\w+ must lie in .*data, got a link"):
        teacher_logits(Run(folder / "run").model, load(folder / "data"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_links_that_lead_to_each_other_are_named(folder):
    path = folder / "run/config.json"
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(ValueError, match=r"config.json must be a file of .*run, got a link"):
        Run(folder / "run")


def test_a_folder_may_itself_be_a_link(folder, tmp_path):
    (tmp_path / "shortcut").symlink_to(folder / "run")
    assert len(Run(tmp_path / "shortcut").encoder.field_names) == 2


def test_names_of_columns_lead_nowhere(tmp_path):
    frame = pd.DataFrame({"../../../user": list("abababab"), "click": [0, 1] * 4})
    prepare(frame, out=tmp_path / "a/data", fractions=(1, 0, 0))
    assert sorted(path.name for path in (tmp_path / "a").rglob("*.txt")) == [
        "000__________user.txt"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_pipe_is_not_waited_for(folder):
    path = folder / "data/train/ids.npy"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"ids.npy must be a file, got a folder, pipe or device"):
        load(folder / "data")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": ' * 100_000, "its values are nested too deeply"),
        ('{"a": ' * 100 + "1" + "}" * 100, "values must be nested at most 32 deep"),
        ('{"a": 1, "a": 2, "checksum": null}', "key 'a' must stand there once, got it more"),
        (f'{{"{"a" * 5000}": 1, "{"a" * 5000}": 2}}', r"key 'a+\.\.\. must stand there once"),
        ('{"a": NaN, "checksum": null}', "numbers must be finite, got NaN"),
        ('{"a": 1e999, "checksum": null}', "numbers must be finite, got 1e999"),
        (f'{{"a": {"9" * 5000}.0, "checksum": null}}', r"numbers must be finite, got 9+\.\.\."),
        ('{"a": ' + "9" * 5000 + ', "checksum": null}', "Exceeds the limit"),
        ("[1]", "it must hold an object, got list"),
        ('{"a": 1}', "it has no checksum, or was written by an older ctrkit"),
        ('{"a": 1, "checksum": "00000000"}', "its checksum differs"),
        (b'{"a": "\xff"}', "must be UTF-8"),
    ],
)
def test_json_that_ctrkit_did_not_write_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=rf"x.json .*{message}") as caught:
        load_json(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(("read", "most"), [(load_json, MAX_JSON_BYTES), (load_toml, MAX_BYTES)])
def test_a_file_too_large_is_not_read(tmp_path, read, most):
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(most + 1)
    with pytest.raises(ValueError, match=f"x must be at most {most >> 20} MiB, got {most + 1:,}"):
        read(path)


@pytest.mark.parametrize("entry", ["deviation", "mean"])
def test_statistics_that_no_preparation_finds_are_refused(folder, entry):
    path = folder / "data/schema.json"
    plain = json.loads(path.read_text())
    plain["statistics"]["price"][entry] = {"deviation": -1.0, "mean": "x"}[entry]
    write_json(path, plain)
    with pytest.raises(ValueError, match=r"schema.json is damaged: "):
        load(folder / "data")


def test_logits_with_rows_missing_are_refused(folder):
    data = load(folder / "data")
    kept = next((folder / "data/teachers").iterdir())
    path = kept / "logits.json"
    described = json.loads(path.read_text())
    del described["crc32"]["train"]
    write_json(path, described)
    with pytest.raises(ValueError, match="must hold a logit for each of 48 train rows; remove it"):
        load_logits(kept, data)


def test_millions_of_fields_are_refused_before_they_are_looked_at(folder):
    path = folder / "run/config.json"
    config = json.loads(path.read_text())
    config["model"]["cardinalities"] = [2] * 350_000
    write_json(path, config)
    with pytest.raises(ValueError, match=r"config.json .* its fields must be those of the schema"):
        Run(folder / "run")


def test_slots_without_end_are_refused_before_there_are_rows():
    wide = FieldShape(cardinality=3, num_slots=10_000)
    message = "fields must have at most 200,000 slots together, got 1010000"
    with pytest.raises(ValueError, match=message):
        blueprint("crossnet", [wide] * 101, {}, where="test")


def test_a_folder_whose_name_is_no_text_is_as_good_as_any(tmp_path, monkeypatch, capsys):
    # The standard error prints any text, as Python's own does; the standard output does not.
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    folder = tmp_path / os.fsdecode(b"run\xff")
    folder.mkdir()
    rows = [f"{row % 2},u{row % 5},{row % 3}.5" for row in range(100)]
    log_name = os.fsdecode(b"log\xff.csv")
    (folder / log_name).write_text("\n".join(["click,user,price", *rows]) + "\n")
    log, data, run, student = (str(folder / part) for part in (log_name, "data", "run", "student"))
    small = ["--embedding-dim", "2", "--epochs", "1"]
    phases = ["--distill-epochs", "1", "--finetune-epochs", "1", "--no-alone"]
    assert main(["prepare", log, "--label", "click", "--out", data]) == 0
    assert main(["train", data, "--model", "crossnet", *small, "--out", run]) == 0
    assert main(["predict", run, log, "--out", str(folder / "scores.csv")]) == 0
    assert main(["evaluate", run, log, "--json", str(folder / "figures.json")]) == 0
    assert "log\\udcff.csv  " in capsys.readouterr().out
    assert main(["evaluate", run, data]) == 0
    words = ["--teacher", run, "--student", "crossnet", *small, *phases, "--out", student]
    assert main(["distill", data, *words]) == 0
    assert Run(student).config["data"]["path"] == data
    assert len((folder / "scores.csv").read_text().splitlines()) == 101
