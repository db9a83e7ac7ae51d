"""Latency: what is measured, not how long it takes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from ctrkit.models import CrossNet
from ctrkit.training import latency as module
from ctrkit.training.latency import latency

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
    found = latency([model], ROWS, batch_sizes=(1, 7))
    assert found.keys() == {1, 7}
    assert all(seconds > 0 for seconds in found.values())
    assert set(model.seen) == {1, 7}


def test_all_members_of_an_ensemble_are_counted():
    members = [Watched([4, 2], embedding_dim=4) for _ in range(2)]
    latency(members, ROWS, batch_sizes=(3,))
    assert len(members[0].seen) == len(members[1].seen) > 0


def test_the_model_stays_as_it_is():
    model = CrossNet([4, 2], embedding_dim=4).train()
    before = [parameter.clone() for parameter in model.parameters()]
    latency([model], ROWS)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_no_rows_are_refused():
    empty = SimpleNamespace(ids=np.empty((0, 2), np.int32), labels=np.empty(0), values=None)
    with pytest.raises(ValueError, match="at least one row, got none"):
        latency([CrossNet([4, 2])], empty)
