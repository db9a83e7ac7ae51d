"""Files and folders made wrong: read as they were, or refused in words that name the file.

``make fuzz`` tries 10,000 inputs for each target; ``--fuzz N --fuzz-seed SEED`` any others.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from artefacts import make_artefacts
from edited import write_json
from mutation import mutated, with_other_values

from ctrkit.cli.arguments import read_settings
from ctrkit.data import Encoder, PrepareConfig, Schema, load, prepare, read_rows
from ctrkit.distill.teacher_logits import load_logits
from ctrkit.models import model_options
from ctrkit.options import from_mapping, to_mapping
from ctrkit.runs import Run
from ctrkit.training import TrainConfig
from ctrkit.training.checkpoints.weights import load_tensors, save_tensors


@dataclass(frozen=True)
class Target:
    """Something that is read.

    Args:
        files: which of its files are made wrong.
        read: opens it and returns what matters, as text.
        mistakes: the errors by which it may be refused.
        must_agree: what is not refused must be what it was before.
        change: makes a file wrong.
    """

    files: tuple[str, ...]
    read: Callable[[Path], str]
    mistakes: tuple[type[Exception], ...] = (ValueError, FileNotFoundError)
    must_agree: bool = False
    change: Callable[[Path, random.Random], None] | None = None


def shown(*values: Any) -> str:
    """Return values as text that differs where they do."""
    return repr([v.tolist() if isinstance(v, np.ndarray | torch.Tensor) else v for v in values])


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("valid")
    make_artefacts(folder)
    return folder


def change_bytes(path: Path, chance: random.Random) -> None:
    path.write_bytes(mutated(path.read_bytes(), chance))


def change_values(path: Path, chance: random.Random) -> None:
    """Change JSON as a stranger would who knows of the checksum."""
    changed = with_other_values(json.loads(path.read_text(encoding="utf-8")), chance)
    write_json(path, changed)


def change_tensors(path: Path, chance: random.Random) -> None:
    """Write a checkpoint of other content, with the checksums of that content."""
    content = {"model": dict(load_tensors(path)["model"])}
    weights = content["model"]
    name = chance.choice(list(weights))
    tensor = weights[name].clone()
    kind = chance.randrange(7)
    if kind == 0:
        del weights[name]
    elif kind == 1:
        weights["x"] = tensor
    elif kind == 2:
        weights[name] = tensor.reshape(-1)[: chance.randint(0, 3)]
    elif kind == 3:
        weights[name] = torch.zeros(1).expand(tensor.shape)
    elif kind == 4:
        weights[name] = chance.choice([3, None, "x", [1.0], {}])
    elif kind == 5:
        weights[name] = tensor.to(chance.choice([torch.float64, torch.int64, torch.bool]))
    else:
        content = chance.choice([{}, {"model": 3}, {"model": tensor}, content])
    save_tensors(path, content)


def plain_labels(path: Path, schema: Schema) -> list[int]:
    """Return the labels of a text file, read by Python's own ``csv``."""
    text = path.read_bytes().decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    options: dict[str, Any] = {"delimiter": schema.separator}
    options |= {"quotechar": schema.quote} if schema.quote else {"quoting": csv.QUOTE_NONE}
    rows = [row for row in csv.reader(io.StringIO(text, newline="\n"), **options) if row]
    columns = rows.pop(0) if schema.header else list(schema.file_columns)
    labels = [row[columns.index(schema.label)].lower() for row in rows]
    return [int(float({"true": "1", "false": "0"}.get(label, label))) for label in labels]


@functools.cache
def opened(folder: Path) -> Encoder:
    """Return the encoder of a folder that is not made wrong."""
    return Encoder.load(folder)


def log(name: str, prepared: str) -> Target:
    """Return the target that reads a text file as ``predict`` does."""

    def read(folder: Path) -> str:
        encoder = opened(folder / prepared)
        parts = list(read_rows(folder / name, encoder, label="require", num_workers=1))
        labels = [label for part in parts for label in part.labels.tolist()]
        if not name.endswith(".gz"):
            assert labels == plain_labels(folder / name, encoder.schema)
        assert all((part.ids >= 0).all() for part in parts)
        assert all((part.ids < encoder.slot_limits).all() for part in parts)
        return shown(labels)

    return Target((name,), read, (ValueError,))


def read_parquet(folder: Path) -> str:
    parts = list(read_rows(folder / "own.parquet", opened(folder / "own"), num_workers=1))
    return shown(*(part.ids for part in parts))


def prepare_csv(folder: Path) -> str:
    shutil.rmtree(folder / "new", ignore_errors=True)
    data = prepare(folder / "own.csv", out=folder / "new", num_workers=1, label="click")
    return shown(data.train.ids)


def read_schema(folder: Path) -> str:
    schema = Schema.from_toml(folder / "schema.toml")
    assert Schema.from_toml(schema.to_toml()) == schema
    return schema.to_toml()


def read_options(folder: Path) -> str:
    path = folder / "settings.toml"
    settings = read_settings(path, ["data", "model", "train"])
    options = settings.get("model", {})
    name = options.pop("name", "crossnet")
    if name != "crossnet":
        raise ValueError(f"{path}: another model")
    built = [
        from_mapping(cls, settings.get(section, {}), where=f"{path} [{section}]")
        for section, cls in (
            ("data", PrepareConfig),
            ("train", TrainConfig),
            ("model", model_options("crossnet")),
        )
    ]
    for section, object_ in zip(("data", "train", "model"), built, strict=True):
        for key, value in settings.get(section, {}).items():  # nothing is coerced
            held = to_mapping(object_)[key]
            same = float(value) if isinstance(held, float) else value
            assert (list(held) if isinstance(held, tuple) else held) == same
    return shown(*map(to_mapping, built))


def read_encoder(folder: Path) -> str:
    return Encoder.load(folder / "own").fingerprint


def read_prepared(folder: Path) -> str:
    data = load(folder / "own")
    parts = (data.train, data.valid, data.test)
    return shown(data.encoder.fingerprint, *(array for p in parts for array in p.arrays.values()))


def read_run(folder: Path) -> str:
    run = Run(folder / "run")
    weights = [(name, value.tolist()) for name, value in run.model.state_dict().items()]
    return shown(run.model.options(), run.encoder.fingerprint, weights)


def read_logits(folder: Path) -> str:
    logits = folder / "own" / "teachers"
    found = load_logits(next(logits.iterdir()), load(folder / "own", check=False))
    return shown(found.train, found.valid, found.teacher)


PARTS = ("train", "valid", "test")
ARRAYS = tuple(f"own/{part}/{name}.npy" for part in PARTS for name in ("ids", "labels", "values"))
VOCABULARIES = tuple(f"own/vocabularies/{name}.txt" for name in ("000_user", "002_age"))
LOGITS = tuple(f"own/teachers/*/{name}" for name in ("train.npy", "valid.npy", "logits.json"))

TARGETS = {
    "criteo": log("criteo.txt", "criteo"),
    "avazu": log("avazu.csv", "avazu"),
    "gzip": log("criteo.txt.gz", "criteo"),
    "csv": log("own.csv", "own"),
    "parquet": Target(("own.parquet",), read_parquet, (ValueError,)),
    "prepare": Target(("own.csv",), prepare_csv, (ValueError,)),
    "schema.toml": Target(("schema.toml",), read_schema, (ValueError, TypeError)),
    "settings": Target(("settings.toml",), read_options, (ValueError, TypeError)),
    "encoder": Target(("own/schema.json", *VOCABULARIES), read_encoder, must_agree=True),
    "schema.json of a stranger": Target(("own/schema.json",), read_prepared, change=change_values),
    "arrays": Target(ARRAYS, read_prepared, must_agree=True),
    "checkpoint": Target(("run/checkpoints/best.pt",), read_run, must_agree=True),
    "checkpoint of a stranger": Target(
        ("run/checkpoints/best.pt",), read_run, change=change_tensors
    ),
    "config.json": Target(("run/config.json", "run/metrics.json"), read_run, must_agree=True),
    "config.json of a stranger": Target(("run/config.json",), read_run, change=change_values),
    "logits": Target(LOGITS, read_logits, must_agree=True),
    "logits.json of a stranger": Target(LOGITS[2:], read_logits, change=change_values),
}


def inputs(request: pytest.FixtureRequest, name: str) -> Iterator[tuple[int, random.Random]]:
    """Yield a number and what decides of chance for each input of a target."""
    seed = request.config.getoption("--fuzz-seed")
    for number in range(request.config.getoption("--fuzz")):
        yield number, random.Random(f"{seed} {name} {number}")


SLOW = (
    "prepare",
    "checkpoint of a stranger",
    "config.json of a stranger",
    "logits",
    "logits.json of a stranger",
)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in TARGETS]
)
def test_what_is_wrong_is_refused_in_words(name, valid, tmp_path, request):
    target = TARGETS[name]
    opened.cache_clear()
    folder = shutil.copytree(valid, tmp_path / "made_wrong")
    paths = [path for pattern in target.files for path in sorted(folder.glob(pattern))]
    before = target.read(folder)
    refused = 0
    for number, chance in inputs(request, name):
        path = chance.choice(paths)
        content = path.read_bytes()
        (target.change or change_bytes)(path, chance)
        place = f"target {name}, input {number}, {path.relative_to(folder)}"
        message = None
        try:
            after = target.read(folder)
        except target.mistakes as error:
            message = str(error)
        except Exception as error:
            error.add_note(place)
            raise
        path.write_bytes(content)
        if message is None:
            assert not target.must_agree or after == before, f"{place}: read, but as another"
            continue
        refused += 1
        assert str(folder) in message, f"{place}: no file is named in {message}"
        assert len(message) < 2000, place
    assert refused > 0
