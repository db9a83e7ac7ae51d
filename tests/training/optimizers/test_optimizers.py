"""Optimizers of the table against their formulas, row by row."""

import numpy as np
import pytest
import torch

from ctrkit.embedding import FeatureEmbedding
from ctrkit.models import DAGFM
from ctrkit.training import TrainConfig
from ctrkit.training.optimizers.choice import make_optimizers
from ctrkit.training.optimizers.lazy_optimizers import LazyAdam, RowwiseAdagrad

BETAS, EPS = (0.9, 0.999), 1e-8


def run_lazy(batches, l2, kind=LazyAdam):
    torch.manual_seed(0)
    embedding = FeatureEmbedding([5], 3).double()
    embedding.sparse_gradient = True
    start = embedding.tables[0].detach().clone().numpy()
    optimizer = kind(embedding.tables, lr=0.1, l2=l2)
    for ids in batches:
        optimizer.zero_grad()
        embedding(torch.tensor(ids)[:, None]).pow(2).sum().backward()
        optimizer.step()
    return start, embedding.tables[0].detach().numpy()


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_equals_the_formula_row_by_row(l2):
    batches = [[0, 1, 1], [1, 2], [1], [4, 0, 4, 4]]
    start, actual = run_lazy(batches, l2)
    expected = start.copy()
    for row in range(5):
        first = second = np.zeros(3)
        steps = 0
        for ids in batches:
            count = ids.count(row)
            if not count:
                continue
            steps += 1
            gradient = count * 2 * expected[row] + l2 * expected[row]
            first = BETAS[0] * first + (1 - BETAS[0]) * gradient
            second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
            hat1, hat2 = first / (1 - BETAS[0] ** steps), second / (1 - BETAS[1] ** steps)
            expected[row] -= 0.1 * hat1 / (np.sqrt(hat2) + EPS)
    np.testing.assert_allclose(actual, expected, rtol=1e-10)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_rowwise_adagrad_equals_the_formula_row_by_row(l2):
    batches = [[0, 1, 1], [1, 2], [1], [4, 0, 4, 4]]
    start, actual = run_lazy(batches, l2, RowwiseAdagrad)
    expected = start.copy()
    for row in range(5):
        total = 0.0
        for ids in batches:
            if row in ids:
                gradient = ids.count(row) * 2 * expected[row] + l2 * expected[row]
                total += (gradient**2).mean()
                expected[row] -= 0.1 * gradient / (np.sqrt(total) + EPS)
    np.testing.assert_allclose(actual, expected, rtol=1e-10)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_the_dense_way_is_pytorchs_own_adam(optimizer):
    """Its sparse gradients, added up in one dense one, are those that PyTorch would make."""
    config = TrainConfig(optimizer=optimizer, table_optimizer="dense", table_l2=0.1)
    kind = torch.optim.Adam if optimizer == "adam" else torch.optim.AdamW
    models = []
    for is_ours in (True, False):
        torch.manual_seed(0)
        model = DAGFM([7, 5], embedding_dim=3).double()
        model.output.requires_grad_(False)
        model.propagation.requires_grad_(False)
        if is_ours:
            (stepper,) = make_optimizers(model, config)
        else:
            stepper = kind(model.embedding.tables, lr=config.learning_rate, weight_decay=0.1)
        for ids in ([[0, 1], [6, 1]], [[0, 4], [3, 1]] * 4, [[5, 1]]):  # 12 rows in all
            stepper.zero_grad()
            model(torch.tensor(ids)).sum().backward()
            stepper.step()
        models.append(model)
    torch.testing.assert_close(models[0].embedding.tables[0], models[1].embedding.tables[0])


def test_equals_dense_adam_where_every_row_is_seen_in_every_batch():
    batches = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0, 0], [0, 1, 2, 3, 4]]
    start, lazy = run_lazy(batches, 0.2)
    table = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.Adam([table], lr=0.1, weight_decay=0.2)
    for ids in batches:
        optimizer.zero_grad()
        table[torch.tensor(ids)].pow(2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(lazy, table.detach().numpy(), rtol=1e-10)


def test_decoupled_equals_adamw_where_every_row_is_seen_in_every_batch():
    table = torch.nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    embedding = FeatureEmbedding([5], 3).double()
    embedding.sparse_gradient = True
    embedding.tables[0].data.copy_(table.data)
    dense = torch.optim.AdamW([table], lr=0.1, weight_decay=0.2)
    lazy = LazyAdam(embedding.tables, lr=0.1, l2=0.2, decoupled=True)
    ids = torch.arange(5)
    for _ in range(3):
        dense.zero_grad()
        table[ids].pow(3).sum().backward()
        dense.step()
        lazy.zero_grad()
        embedding(ids[:, None]).pow(3).sum().backward()
        lazy.step()
    torch.testing.assert_close(embedding.tables[0], table, rtol=1e-10, atol=0)


@pytest.mark.parametrize("kind", [LazyAdam, RowwiseAdagrad])
def test_leaves_unseen_rows_alone(kind):
    start, actual = run_lazy([[0, 1], [1]], 0.5, kind)
    assert np.array_equal(start[2:], actual[2:])


def test_state_survives_saving():
    embedding = FeatureEmbedding([5], 3)
    embedding.sparse_gradient = True
    optimizer = LazyAdam(embedding.tables)
    embedding(torch.tensor([[1]])).sum().backward()
    optimizer.step()
    again = LazyAdam(embedding.tables)
    again.load_state_dict(optimizer.state_dict())
    state = again.state[embedding.tables[0]]
    assert state["steps"].tolist() == [0, 1, 0, 0, 0]
    assert torch.equal(state["first"], optimizer.state[embedding.tables[0]]["first"])


def test_refuses_dense_gradients():
    embedding = FeatureEmbedding([5], 3)
    embedding(torch.tensor([[1]])).sum().backward()
    with pytest.raises(ValueError, match="LazyAdam needs sparse gradients"):
        LazyAdam(embedding.tables).step()
