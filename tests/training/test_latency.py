"""Latency: what is measured, not how long it takes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from ctrkit.models import CrossNet
from ctrkit.training import latency as module
from ctrkit.training.latency import Latency, latencies

ROWS = SimpleNamespace(
    ids=np.array([[0, 1], [3, 0]], np.int32), labels=np.array([0, 1]), values=None
)


class Watched(CrossNet):
    """A model that notes how many rows it is given."""

    def forward(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        self.seen = [*getattr(self, "seen", []), len(ids)]
        return super().forward(ids, values)


@pytest.fixture(autouse=True)
def quick_clock(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.0)


def test_requests_have_the_sizes_that_were_asked_for():
    model = Watched([4, 2], embedding_dim=4)
    (found,) = latencies([[model]], ROWS, batch_sizes=(1, 7))
    assert found.keys() == {1, 7}
    assert all(0 < low <= median <= high for median, low, high in found.values())
    assert set(model.seen) == {1, 7}


def test_all_members_of_an_ensemble_are_counted():
    members = [Watched([4, 2], embedding_dim=4) for _ in range(2)]
    latencies([members], ROWS, batch_sizes=(3,))
    assert len(members[0].seen) == len(members[1].seen) > 0


def test_competitors_answer_in_turns():
    order = []

    class Named(CrossNet):
        def forward(self, ids, values=None):
            order.append((id(self), len(ids)))
            return super().forward(ids, values)

    models = [Named([4, 2], embedding_dim=4) for _ in range(3)]
    latencies([[model] for model in models], ROWS, batch_sizes=(1, 5))
    for size in (1, 5):
        turns = [model for model, rows in order if rows == size]
        assert turns == [id(model) for model in models] * (len(turns) // 3)


def test_what_is_measured_is_the_median_and_the_quartiles(monkeypatch):
    """Of three requests that take 4, 1 and 2 s; the two of the warm-up do not count."""
    moments = iter([0, 0, 4, 10, 11, 20, 22])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(moments, 99))
    (found,) = latencies([[CrossNet([4, 2], embedding_dim=4)]], ROWS, batch_sizes=(2,))
    assert found[2] == Latency(median=1.0, low=0.75, high=1.5)


def test_the_time_is_bounded_by_the_number_of_competitors(monkeypatch):
    clock = iter(range(10**6))  # a second between any two looks
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(module, "SECONDS", 30.0)
    models = [Watched([4, 2], embedding_dim=4) for _ in range(2)]
    latencies([[model] for model in models], ROWS, batch_sizes=(1,))
    assert len(models[0].seen) <= 2 + 60 // 4


def test_the_model_stays_as_it_is():
    model = CrossNet([4, 2], embedding_dim=4).train()
    before = [parameter.clone() for parameter in model.parameters()]
    latencies([[model]], ROWS)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_no_rows_are_refused():
    empty = SimpleNamespace(ids=np.empty((0, 2), np.int32), labels=np.empty(0), values=None)
    with pytest.raises(ValueError, match="at least one row, got none"):
        latencies([[CrossNet([4, 2])]], empty)
