"""Files that lost their end or a bit: a clear error, or the very same numbers."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from damage import damages, survivors

from ctrkit.data import PreparedData, load, prepare
from ctrkit.distill.teacher_logits import load_logits, teacher_logits
from ctrkit.runs import Run, train_run
from ctrkit.training import TrainConfig
from ctrkit.training.checkpoints.resume import Checkpoints

NUM_ROWS = 600


def rows(num_rows: int, seed: int) -> pd.DataFrame:
    """Rows with a field of each kind that is stored in its own way."""
    draw = np.random.default_rng(seed)
    likes = draw.integers(0, 9, (num_rows, 2))
    return pd.DataFrame(
        {
            "user": draw.integers(0, 40, num_rows).astype(str),
            "price": draw.random(num_rows),
            "likes": [f"{first}|{second}" for first, second in likes],
            "click": draw.integers(0, 2, num_rows),
        }
    )


SCHEMA = """
label = "click"
[fields]
user = { kind = "categorical", min_count = 2 }
price = { kind = "numeric" }
likes = { kind = "multivalued", separator = "|", max_slots = 3, min_count = 1 }
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> PreparedData:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "schema.toml").write_text(SCHEMA)
    frame = rows(NUM_ROWS, seed=1)
    return prepare(frame, schema=folder / "schema.toml", out=folder / "data", seed=1)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig(epochs=1, batch_size=64)
    options = {"embedding_dim": 4, "orders": [3]}
    train_run(data, model="eulernet", model_options=options, config=config, out=out)
    return out


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target, ignore=shutil.ignore_patterns("teachers")))


def arrays_of(data: PreparedData) -> dict[str, Any]:
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    return {
        f"{part} {name}": np.array(array)
        for part, rows in parts.items()
        for name, array in (("ids", rows.ids), ("labels", rows.labels), ("values", rows.values))
    }


def equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def test_damaged_prepared_data_are_found_out(data, tmp_path):
    folder = copy_of(data.path, tmp_path / "damaged")

    def read() -> dict[str, Any]:
        found = load(folder)
        return {**arrays_of(found), "encoder": found.encoder.fingerprint, "info": found.info}

    assert survivors(folder, read, equal) == []


def test_a_damaged_run_is_found_out(run, tmp_path):
    folder = copy_of(run, tmp_path / "damaged")
    frame = rows(50, seed=2)

    def read() -> dict[str, Any]:
        found = Run(folder, device="cpu")
        return {"scores": found.score(frame), "metrics": found.metrics}

    assert survivors(folder, read, equal) == []


def test_damaged_logits_of_a_teacher_are_found_out(data, run, tmp_path):
    copied = load(copy_of(data.path, tmp_path / "data"))
    kept = teacher_logits(Run(run, device="cpu").model, copied)
    assert kept.folder is not None
    folder = kept.folder

    def read() -> dict[str, Any]:
        found = load_logits(folder, copied)
        return {"train": np.array(found.train), "valid": np.array(found.valid)}

    assert survivors(folder, read, equal) == []


def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    path = checkpoints.save(3, {"step": 3, "weight": torch.arange(50.0), "records": [{"auc": 0.5}]})

    def read() -> dict[str, Any]:
        state = checkpoints.load(path)
        return {**state, "weight": state["weight"].numpy().copy()}

    assert survivors(tmp_path, read, equal) == []


def test_every_damage_is_one():
    content = bytes(range(200))
    found = [damaged for _, damaged in damages(content, "x")]
    assert len(found) == 10
    assert content not in found
