"""The order of an epoch's rows, and the batches cut from it."""

import itertools
import threading
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_rows import make_rows

from ctrkit.models import EulerNet
from ctrkit.rows import Rows
from ctrkit.training import TrainConfig, Trainer
from ctrkit.training.input import shuffling
from ctrkit.training.input.batches import shuffled_batches
from ctrkit.training.input.prefetch import read_ahead
from ctrkit.training.input.shuffling import BlockOrder, RowOrder, choose_order

CPU = torch.device("cpu")
NUM_BYTES = 13
"""Size of a row of `numbered`."""


def numbered(num_rows: int) -> Rows:
    """Rows all of whose arrays tell the row's number (labels, whether it is odd)."""
    number = np.arange(num_rows)
    column = number[:, None]
    return Rows(
        ids=column.astype(np.int32),
        labels=(number % 2).astype(np.uint8),
        values=column.astype(np.float32),
        targets=number.astype(np.float32),
    )


def blocks(num_rows=1000, *, batch_size=32, seed=0, block_rows=10, pool_rows=200) -> BlockOrder:
    return BlockOrder(
        numbered(num_rows),
        batch_size=batch_size,
        seed=seed,
        block_bytes=block_rows * NUM_BYTES,
        pool_bytes=pool_rows * (NUM_BYTES + 8),
    )


def rows(num_rows=1000, *, batch_size=32, seed=0) -> RowOrder:
    return RowOrder(numbered(num_rows), batch_size=batch_size, seed=seed)


def numbers(batches) -> list[list[int]]:
    return [batch.ids[:, 0].tolist() for batch in batches]


orders = pytest.mark.parametrize("make", [rows, blocks])

sizes = st.integers(1, 60)


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 300), sizes, sizes, st.integers(1, 200), st.integers(0, 3))
def test_every_row_comes_once_in_batches_of_one_size(num_rows, batch, block, pool, epoch):
    for made in (
        rows(num_rows, batch_size=batch),
        blocks(num_rows, batch_size=batch, block_rows=block, pool_rows=pool),
    ):
        found = numbers(made.batches(epoch))
        assert sorted(itertools.chain(*found)) == list(range(num_rows))
        assert {len(rows) for rows in found[:-1]} <= {batch}
        assert len(found) == -(-num_rows // batch)


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 300), sizes, sizes, st.integers(1, 200), st.data())
def test_the_order_can_begin_at_any_batch(num_rows, batch, block, pool, data):
    for made in (
        rows(num_rows, batch_size=batch),
        blocks(num_rows, batch_size=batch, block_rows=block, pool_rows=pool),
    ):
        found = numbers(made.batches(2))
        first = data.draw(st.integers(0, len(found)))
        assert numbers(made.batches(2, first=first)) == found[first:]


@orders
def test_ids_labels_values_and_targets_of_a_row_stay_together(make):
    for batch in make().batches(0):
        number = batch.ids[:, 0]
        assert np.array_equal(batch.labels, number % 2)
        assert np.array_equal(batch.values[:, 0], number)
        assert np.array_equal(batch.targets, number)


@orders
def test_seed_and_epoch_decide_the_order(make):
    first = numbers(make().batches(0))
    assert numbers(make().batches(0)) == first
    assert numbers(make().batches(1)) != first
    assert numbers(make(seed=1).batches(0)) != first


@orders
def test_neighbours_are_spread(make):
    """A hundred blocks of a pool lie anywhere, and a batch is drawn from most of them."""
    sizes = {"block_rows": 50, "pool_rows": 5000} if make is blocks else {}
    for batch in numbers(make(20_000, batch_size=100, **sizes).batches(0)):
        # Drawn at random, 100 rows lie in 63 of 100 blocks, and 78 of 400.
        assert len({number // 50 for number in batch}) > 45
        assert abs(np.mean(batch) / 20_000 - 0.5) < 0.2  # seven deviations
        assert np.abs(np.diff(batch)).mean() > 20_000 / 5  # a third, at random


def test_blocks_are_read_forwards_and_never_twice(monkeypatch):
    read = []

    def spy(self, stretches):
        read.append(stretches)
        return original(self, stretches)

    original = BlockOrder._read
    monkeypatch.setattr(BlockOrder, "_read", spy)
    list(blocks(1003).batches(0))
    assert len(read) == 6  # of 6 batches of 32 rows each, the last of what is left
    for stretches in read:
        starts = [stretch.start for stretch in stretches]
        assert starts == sorted(starts)
        assert len(stretches) <= 22  # 20 blocks, cut at both ends, and the short one
    whole = sorted(
        row for stretches in read for stretch in stretches for row in range(1003)[stretch]
    )
    assert whole == list(range(1003))


def test_a_later_batch_is_reached_without_reading_what_came_before(monkeypatch):
    read = []
    original = BlockOrder._read
    monkeypatch.setattr(
        BlockOrder,
        "_read",
        lambda self, stretches: read.append(stretches) or original(self, stretches),
    )
    list(blocks().batches(0, first=30))
    assert (
        sum(stretch.stop - stretch.start for stretches in read for stretch in stretches)
        == 1000 - 5 * 192
    )


@pytest.fixture
def mapped(tmp_path):
    """Make rows of 36 bytes that lie in a file."""

    def make(num_rows: int) -> Rows:
        arrays = {"ids": np.zeros((num_rows, 8), np.int32), "targets": np.zeros(num_rows, "f4")}
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        opened = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in arrays}
        return Rows(labels=np.zeros(num_rows, np.uint8), **opened)

    return make


def peak_bytes(batches) -> int:
    """Return the memory taken while batches are read, mapped pages not counted."""
    tracemalloc.start()
    for _ in batches:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("num_rows", [50_000, 200_000])
def test_blocks_take_two_pools_of_memory_however_many_rows_there_are(mapped, num_rows):
    pool_bytes = 500_000
    made = BlockOrder(
        mapped(num_rows), batch_size=100, seed=0, block_bytes=5000, pool_bytes=pool_bytes
    )
    assert 1.5 * pool_bytes < peak_bytes(made.batches(0)) < 2.5 * pool_bytes


def test_rows_take_eight_bytes_each(mapped):
    made = RowOrder(mapped(200_000), batch_size=100, seed=0)
    assert 1.5e6 < peak_bytes(made.batches(0)) < 2e6


@pytest.mark.parametrize(
    ("shuffle", "memory", "kind"),
    [
        ("auto", 2 * 1000 * NUM_BYTES, RowOrder),
        ("auto", 2 * 1000 * NUM_BYTES - 1, BlockOrder),
        ("auto", None, RowOrder),
        ("rows", 1, RowOrder),
        ("blocks", 1 << 60, BlockOrder),
    ],
)
def test_auto_takes_blocks_for_rows_larger_than_half_the_memory(monkeypatch, shuffle, memory, kind):
    monkeypatch.setattr(shuffling, "memory_bytes", lambda: memory)
    made = choose_order(shuffle, numbered(1000), batch_size=10, seed=0)
    assert type(made) is kind
    assert made.name in ("rows", "blocks")


def test_blocks_train_as_well_as_rows(monkeypatch):
    monkeypatch.setattr(shuffling, "BLOCK_BYTES", 200)  # 15 rows
    monkeypatch.setattr(shuffling, "POOL_BYTES", 6000)  # 2 batches
    train, valid = make_rows(2000), make_rows(500, seed=1)
    aucs = {}
    for shuffle in ("rows", "blocks"):
        torch.manual_seed(0)
        model = EulerNet([6] * 3, embedding_dim=4, orders=[6], embedding_init="xavier_normal")
        config = TrainConfig(
            shuffle=shuffle, epochs=15, batch_size=128, learning_rate=0.02, patience=99
        )
        result = Trainer(config).fit(model, train, valid)
        assert result.to_dict()["shuffle"] == shuffle
        aucs[shuffle] = result.best.valid_auc
    assert aucs["rows"] > 0.78  # the truth itself reaches about .82
    assert aucs["blocks"] == pytest.approx(aucs["rows"], abs=0.01)


@orders
def test_batches_are_tensors_with_float_labels(make):
    batch = next(shuffled_batches(make(), limits=np.array([1000]), epoch=0, device=CPU))
    assert batch.ids.dtype == torch.int32
    assert batch.labels.dtype == torch.float32
    assert torch.equal(batch.ids[:, 0].float(), batch.targets)


@orders
def test_an_id_out_of_range_is_named(make):
    batches = shuffled_batches(make(), limits=np.array([999]), epoch=0, device=CPU)
    with pytest.raises(ValueError, match="id column 0 has id 999 but the model knows 999 ids"):
        list(batches)


@orders
def test_batches_that_are_not_read_to_the_end_leave_no_thread(make):
    before = set(threading.enumerate())
    batches = shuffled_batches(make(), limits=np.array([1000]), epoch=0, device=CPU)
    next(batches)
    started = set(threading.enumerate()) - before
    assert started
    del batches
    assert not started & set(threading.enumerate())


def test_the_next_item_is_made_while_one_is_used():
    made = []
    is_made = threading.Event()

    def items():
        for number in range(3):
            made.append(number)
            if number == 1:
                is_made.set()
            yield number

    ahead = read_ahead(items())
    assert next(ahead) == 0
    assert is_made.wait(timeout=10)
    assert list(ahead) == [1, 2]
    assert made == [0, 1, 2]


def test_an_error_while_reading_ahead_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("the disk is gone")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="the disk is gone"):
        next(ahead)


def test_an_unknown_shuffle_is_an_error():
    with pytest.raises(ValueError, match=r"unknown shuffle 'block'; did you mean 'blocks'\?"):
        TrainConfig(shuffle="block")
