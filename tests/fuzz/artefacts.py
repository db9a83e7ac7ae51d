"""Small valid artefacts, to be made wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ctrkit.data import Field, Schema, prepare
from ctrkit.distill.teacher_logits import teacher_logits
from ctrkit.runs import Run, train_run
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig

ROWS = 40

SCHEMA = Schema(
    (
        Field("user"),
        Field("friend", shares_with="user"),
        Field("age", "integer", min_count=1),
        Field("price", "numeric", width=1),
        Field("log_price", "numeric", transform="log1p"),
        Field("tags", "multivalued", max_slots=3, hash_buckets=5),
        Field("time", "timestamp"),
        Field("seen", "dropped"),
    ),
    label="click",
)


def write_csv(path: Path) -> None:
    """Write rows of `SCHEMA`, some cells of which are quoted or empty."""
    generator = np.random.default_rng(3)
    lines = ["click,user,friend,age,price,log_price,tags,time,seen"]
    for row in range(ROWS):
        user, friend, age = generator.integers(0, 5, 3)
        price = generator.normal()
        tags = f'"a|{"b" * (row % 12)}, ""c"""' if row % 3 else ""
        lines.append(
            f"{row % 2},u{user},a long name of u{friend},{age},{price:.3f},{row},{tags},"
            f"2014-10-{1 + row % 28:02d}T{row % 24:02d}:00,x"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_artefacts(folder: Path) -> None:
    """Write a log of each format, a schema, settings, prepared data and a run."""
    for format_name, name in (("criteo", "criteo.txt"), ("avazu", "avazu.csv")):
        generate(folder / name, rows=ROWS, seed=1, format=format_name)
        prepare(folder / name, out=folder / format_name, format=format_name, split="last")
    generate(folder / "criteo.txt.gz", rows=ROWS, seed=1)
    write_csv(folder / "own.csv")
    pd.read_csv(folder / "own.csv").to_parquet(folder / "own.parquet")
    (folder / "schema.toml").write_text(SCHEMA.to_toml(), encoding="utf-8")
    (folder / "settings.toml").write_text(
        "[data]\nfractions = [0.8, 0.1, 0.1]\nmin_count = 2\nseed = 3\n"
        '[model]\nname = "crossnet"\nnum_layers = 1\nembedding_dim = 2\n'
        '[train]\nepochs = 1\nlearning_rate = 1e-3\ntable_l2 = 0\nprecision = "float32"\n',
        encoding="utf-8",
    )
    data = prepare(folder / "own.csv", out=folder / "own", schema=SCHEMA, split="last")
    train_run(
        data,
        model="crossnet",
        model_options={"num_layers": 1, "embedding_dim": 2},
        config=TrainConfig(epochs=1),
        out=folder / "run",
    )
    teacher_logits(Run(folder / "run").model, data)
