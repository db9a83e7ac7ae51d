"""The training step: chunks, each by one thread, and the sum of their gradients."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from ctrkit.models import Batch, DCNv2, EulerNet
from ctrkit.training import TrainConfig
from ctrkit.training.step import TrainStep

CARDINALITIES = [50] * 5


def make_batch(rows: int = 96, seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 50, (rows, 5), generator=generator)
    return Batch(ids, torch.rand(rows, generator=generator).round())


def weights_after_steps(make_model, *, threads: int = 2, loss=None, **options):
    """Return the weights after three steps on 96 rows in chunks of 16."""
    torch.manual_seed(0)
    model = make_model()
    settings = {"batch_size": 96, "chunk_rows": 16, **options}
    step = TrainStep(model, TrainConfig(**settings), loss and (lambda batch: loss(model, batch)))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with step.at_full_speed():
            for seed in range(3):
                step(make_batch(seed=seed))
    finally:
        torch.set_num_threads(before)
    return model.state_dict()


def make_eulernet() -> EulerNet:
    return EulerNet(CARDINALITIES, embedding_dim=4, orders=[3], dropout_ex=0.3, dropout_im=0.3)


def make_dcnv2() -> DCNv2:
    return DCNv2(CARDINALITIES, embedding_dim=4, hidden_dims=[8], dropout=0.3)


def assert_equal_bits(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("make_model", [make_eulernet, make_dcnv2])
@pytest.mark.parametrize("table_optimizer", ["dense", "lazy", "adagrad"])
def test_threads_change_no_bit(make_model, table_optimizer):
    one = weights_after_steps(make_model, threads=1, table_optimizer=table_optimizer)
    for threads in (2, 3, 6):
        some = weights_after_steps(make_model, threads=threads, table_optimizer=table_optimizer)
        assert_equal_bits(one, some)


def noisy_loss(model, batch: Batch):
    """Return a loss with random numbers of PyTorch's own generator, which threads share."""
    logits = functional.dropout(model(batch.ids), 0.5)
    return functional.binary_cross_entropy_with_logits(logits, batch.labels)


def test_a_loss_with_random_numbers_of_its_own_comes_in_order():
    one, *others = (
        weights_after_steps(make_eulernet, loss=noisy_loss, threads=threads)
        for threads in (1, 4, 4)
    )
    for other in others:
        assert_equal_bits(one, other)


def threads_that_work(batch_size: int, threads: int) -> set[str]:
    """Return the names of the threads in which gradients are computed."""
    names = set()

    def watched(model, batch: Batch):
        logits = model(batch.ids)
        logits.register_hook(
            lambda _: names.add(threading.current_thread().name.rstrip("0123456789"))
        )
        return functional.binary_cross_entropy_with_logits(logits, batch.labels)

    weights_after_steps(make_eulernet, threads=threads, loss=watched, batch_size=batch_size)
    return names


def make_batch_norm() -> DCNv2:
    return DCNv2(CARDINALITIES, embedding_dim=4, hidden_dims=[8], batch_norm=True)


def test_the_statistics_of_a_batch_norm_count_every_chunk_once_and_in_order():
    one, *others = (weights_after_steps(make_batch_norm, threads=n) for n in (1, 3, 6))
    assert one["mlp.norms.0.num_batches_tracked"] == 3 * 6
    for other in others:
        assert_equal_bits(one, other)


def test_each_thread_takes_chunks_where_there_are_enough():
    assert threads_that_work(96, 6) == {"ctrkit_"}
    assert threads_that_work(48, 6) == {"MainThread"}


def test_two_parameters_may_be_given_one_gradient_tensor():
    """Were it kept as it is, it would be summed and clipped twice."""

    class Summed(EulerNet):
        def __init__(self, cardinalities, **options):
            super().__init__(cardinalities, **options)
            self.left, self.right = (nn.Parameter(torch.zeros(3, 2)) for _ in range(2))

        def interact(self, vectors):
            return super().interact(vectors) + (self.left + self.right).mean()

    model = Summed(CARDINALITIES, embedding_dim=4, orders=[3])
    step = TrainStep(model, TrainConfig(batch_size=96, chunk_rows=16, clip_norm=1e-3))
    step(make_batch())
    gradients = [p.grad for p in model.parameters() if p.grad is not None and not p.grad.is_sparse]
    norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
    assert norm == pytest.approx(1e-3, rel=1e-3)
