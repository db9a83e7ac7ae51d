"""Make the folders of the present format: ``python -m tests.formats.make``, in the repository root.

To be run once for each version, by the ctrkit that writes it, and never again: what it made is
kept, so that later ones are tried on it. Rows are generated, none is of a real log.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from ctrkit.data import Field, Schema, prepare
from ctrkit.data.encoding import encoder
from ctrkit.runs import Run, folder, train_run
from ctrkit.training import TrainConfig

HERE = Path("tests/formats")
NUM_ROWS, NUM_SCORED, SEED = 400, 20, 7

SCHEMA = Schema(
    (
        Field("shop"),
        Field("age", "integer"),
        Field("price", "numeric"),
        Field("tags", "multivalued", max_slots=2),
        Field("seen", "timestamp"),
        Field("user", hash_buckets=50),
    ),
    label="click",
    min_count=2,
)
"""A field of every kind."""


def make_rows() -> pd.DataFrame:
    """Return rows whose clicks depend on the shop."""
    generator = np.random.default_rng(SEED)
    shops = generator.integers(0, 8, NUM_ROWS)
    tags = [["red", "blue", "grün", ""][n] for n in generator.integers(0, 4, NUM_ROWS)]
    hours = generator.integers(0, 500, NUM_ROWS)
    return pd.DataFrame(
        {
            "click": (generator.random(NUM_ROWS) < 0.2 + 0.6 * (shops < 4)).astype(int),
            "shop": [f"shop {n}" for n in shops],
            "age": generator.integers(15, 80, NUM_ROWS),
            "price": generator.normal(20, 5, NUM_ROWS).round(2),
            "tags": [f"{tag}|new" for tag in tags],
            "seen": [f"2026-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00" for hour in hours],
            "user": [f"u{n}" for n in generator.integers(0, 90, NUM_ROWS)],
        }
    )


def main() -> None:
    """Write data, run and expected scores of the versions that this ctrkit writes."""
    data_folder = HERE / f"data_v{encoder.FORMAT_VERSION}"
    run_folder = HERE / f"run_v{folder.FORMAT_VERSION}"
    for old in (data_folder, run_folder):
        shutil.rmtree(old, ignore_errors=True)
    rows = make_rows()
    data = prepare(rows, schema=SCHEMA, out=data_folder, seed=SEED)
    train_run(
        data,
        model="dagfm",
        model_options={"embedding_dim": 4, "depth": 1},
        config=TrainConfig(epochs=2, batch_size=32, learning_rate=0.05, device="cpu"),
        out=run_folder,
    )
    scored = rows.head(NUM_SCORED).astype(str)
    expected = {
        "rows": scored.to_dict("records"),
        "probabilities": Run(run_folder, device="cpu").score(scored).tolist(),
        "ids": data.encoder.encode(scored).ids.tolist(),
        "first_test_ids": data.test.ids[0].tolist(),
    }
    name = f"expected_v{folder.FORMAT_VERSION}.json"
    (HERE / name).write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
