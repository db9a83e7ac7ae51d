"""Estimates of memory and disk, against the formula of docs/memory.md and against files."""

import pytest
import torch
from small_rows import make_rows

from ctrkit.models import DAGFM, DCNv2
from ctrkit.models.cost import saved_bytes_per_row
from ctrkit.runs.space import finished_disk, running_disk, training_memory
from ctrkit.training import TrainConfig, Trainer
from ctrkit.training.checkpoints.best import WEIGHT_FILES
from ctrkit.training.input.shuffling import POOL_BYTES

ROWS, DIM, FIELDS = 39_000, 16, 39
ROW_BYTES = 4 * FIELDS + 1


@pytest.fixture
def model():
    with torch.device("meta"):
        return DAGFM([ROWS // FIELDS] * FIELDS, embedding_dim=DIM)


def memory(model, **options):
    config = TrainConfig(device="cpu", **options)
    return training_memory(model, config, num_rows=1000, row_bytes=ROW_BYTES, num_scored=100)


@pytest.mark.parametrize(
    ("kind", "numbers"), [("dense", 4 * DIM), ("lazy", 3 * DIM + 1), ("adagrad", DIM + 1)]
)
def test_table_takes_the_numbers_of_its_optimizer(model, kind, numbers):
    assert memory(model, table_optimizer=kind).table == 4 * ROWS * numbers


def test_batch_order_and_scores_follow_the_formula(model):
    found = memory(model, batch_size=256, shuffle="rows")
    assert found.batch == 256 * (3 * ROW_BYTES + 3 * FIELDS * (4 * DIM + 8))
    assert found.order == 8 * 1000
    assert found.scores == 43 * 100
    assert memory(model, shuffle="blocks").order == 2 * POOL_BYTES


def test_chunk_grows_with_its_rows_and_the_threads_up_to_the_batch(model, monkeypatch):
    row = saved_bytes_per_row(model)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert memory(model, batch_size=1000, chunk_rows=100).chunk == 2 * 100 * row
    assert memory(model, batch_size=150, chunk_rows=100).chunk == 100 * row
    assert memory(model, batch_size=150, chunk_rows=9000).chunk == 150 * row


def test_what_is_saved_of_a_row_does_not_depend_on_weights():
    small, large = (DCNv2([n] * 3, embedding_dim=4) for n in (10, 10_000))
    assert saved_bytes_per_row(small) == saved_bytes_per_row(large) > 4 * 3 * 4


@pytest.mark.parametrize("kind", ["dense", "lazy", "adagrad"])
def test_disk_is_that_of_the_files(kind, tmp_path):
    rows = make_rows(64)
    model = DAGFM([20_000] * 3, embedding_dim=DIM)
    config = TrainConfig(
        epochs=1, batch_size=32, table_optimizer=kind, checkpoint_steps=1, device="cpu"
    )
    written = []

    class Watch:
        def on_start(self, **_): ...
        def on_end(self): ...
        def on_validation(self, record): ...
        def on_step(self, **_):
            written.append(sum(path.stat().st_size for path in tmp_path.glob("step-*.pt")))

    Trainer(config, observers=[Watch()]).fit(model, rows, rows, checkpoints=tmp_path)
    weights = finished_disk(model) // 2
    state = (running_disk(model, config) - weights) // 2
    assert max(written) == pytest.approx(state, rel=0.02)
    left = sum((tmp_path / name).stat().st_size for name in WEIGHT_FILES)
    assert left == pytest.approx(finished_disk(model), rel=0.02)
