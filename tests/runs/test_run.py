"""A finished run scores raw rows, in whatever form they come."""

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, Schema, prepare
from ctrkit.runs import Run, train_run
from ctrkit.training import TrainConfig

SCHEMA = Schema(
    (
        Field("user"),
        Field("age", "integer"),
        Field("price", "numeric"),
        Field("tags", "multivalued"),
    ),
    label="click",
)
FRAME = pd.DataFrame(
    {
        "user": ["a", "b", "c", None] * 25,
        "age": pd.array([1, None, 3, 200] * 25, dtype="Int64"),
        "price": [0.5, 2.0, None, 1e3] * 25,
        "tags": ["x|y", "", "y", "z"] * 25,
        "click": [0, 1, 1, 0, 1] * 20,
    }
)
ROWS = [
    {"user": "a", "age": 1, "price": 0.5, "tags": "x|y", "more": "ignored"},
    {"user": "b", "age": None, "price": 2, "tags": ""},
    {"user": "new", "age": 3, "price": None, "tags": None},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    data = prepare(FRAME, schema=SCHEMA, out=folder / "data")
    train_run(
        data,
        model="dagfm",
        model_options={"embedding_dim": 4},
        config=TrainConfig(epochs=1, batch_size=32),
        out=folder / "run",
    )
    return Run(folder / "run", device="cpu")


def test_rows_as_mappings_score_as_in_a_frame(run):
    scores = run.score_rows(ROWS)
    frame = pd.DataFrame(
        {
            "user": ["a", "b", "new"],
            "age": pd.array([1, None, 3], dtype="Int64"),
            "price": [0.5, 2.0, None],
            "tags": ["x|y", "", None],
        }
    )
    assert scores.tolist() == run.score(frame).tolist()
    assert len(set(scores.tolist())) == 3


def test_one_row_scores_like_many(run):
    alone = [run.score_rows([row])[0] for row in ROWS]
    np.testing.assert_allclose(alone, run.score_rows(ROWS), rtol=1e-6)


def test_no_rows_have_no_scores(run):
    assert run.score_rows([]).shape == (0,)


def test_a_missing_column_names_its_row(run):
    with pytest.raises(ValueError, match="row 1 must have column 'price', got none"):
        run.score_rows([ROWS[0], {"user": "a", "age": 1}])


def test_a_row_that_is_no_mapping_is_refused(run):
    with pytest.raises(TypeError, match=r"rows must be mappings .*, got a tuple as row 0"):
        run.score_rows([("a", 1)])


def test_a_value_that_cannot_be_read_is_named(run):
    with pytest.raises(ValueError, match="age"):
        run.score_rows([{**ROWS[0], "age": "old"}])
