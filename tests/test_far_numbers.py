"""Numbers far from the training rows: every model gives them a probability."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, Schema, prepare
from ctrkit.models import MODELS
from ctrkit.runs import Run, train_run
from ctrkit.training import TrainConfig

LARGEST = 1.7976931348623157e308
FAR = [0.0, 1.0, 1e12, -1e12, 1e38, 1e300, -LARGEST, LARGEST, None]
SCHEMA = Schema(
    [
        Field("user"),
        Field("price", "numeric"),
        Field("size", "numeric", transform="log1p"),
        Field("same", "numeric"),
    ]
)


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "user": generator.integers(0, 9, 400),
            "price": generator.lognormal(0, 2, 400),
            "size": generator.lognormal(0, 2, 400),
            "same": 123456.789,
            "label": generator.integers(0, 2, 400),
        }
    )
    frame.loc[[0, 399], "price"] = [1e300, -1e12]
    return prepare(frame, schema=SCHEMA)


@pytest.mark.parametrize("model", MODELS)
def test_no_finite_number_scores_nan(model, data, tmp_path):
    train_run(data, model=model, out=tmp_path / "run", config=TrainConfig(epochs=1))
    rows = pd.DataFrame({"user": 1, "price": FAR, "size": FAR[::-1], "same": FAR})
    scores = Run(tmp_path / "run").score(rows)
    assert np.isfinite(scores).all()
