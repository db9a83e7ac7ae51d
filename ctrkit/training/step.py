"""TrainStep: one step of the optimizers on one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from ctrkit.machine import chunk_rows, freed_memory_kept, full_rate, single_threads
from ctrkit.models import Batch, CTRModel
from ctrkit.ops import drawing_from
from ctrkit.training.config import TrainConfig
from ctrkit.training.optimizers import make_optimizers, net_parameters
from ctrkit.training.scoring import autocast

Gradients = tuple[Tensor | None, ...]
"""One per parameter that is trained; None for one that the loss does not know."""


class TrainStep:
    """Makes a model's optimizers and steps them, batch by batch.

    The rows of a batch pass in chunks that fit the processor's cache: the gradient is that of the
    whole batch, while memory is bounded by a chunk. A loss is a mean over rows and terms
    of the weights alone, so that the chunks' losses, weighted by their rows, add up to it.

    Args:
        model: on the device where it is to be trained.
        config: the options of the run.
        loss: what to minimise on a batch; ``model.calculate_loss`` if not given.
    """

    def __init__(
        self, model: CTRModel, config: TrainConfig, loss: Callable[[Batch], Tensor] | None = None
    ) -> None:
        loss = loss or model.calculate_loss
        self.model = model
        self.config = config
        self.device = next(model.parameters()).device
        self.loss: Callable[[Batch], Tensor] = torch.compile(loss) if config.compile else loss
        self.optimizers = make_optimizers(model, config)
        self.chunk_rows = rows_of_chunk(model, config, self.device)
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._net = net_parameters(model)
        self._pool: Executor | None = None
        # Whether chunks must come one after the other; None is not known before the first.
        self._in_turn = True if _has_batch_norm(model) else None

    @contextmanager
    def at_full_speed(self) -> Iterator[None]:
        """Set the process up for many steps, and restore it after the block.

        If a batch has a chunk for every thread of PyTorch, each thread computes whole chunks
        instead of a part of every operation. A chunk's gradient is then computed by
        one thread and the chunks are added up in their order, so that the sum has the same bits
        for any such number of threads.
        """
        with ExitStack() as stack:
            stack.enter_context(full_rate(self.device))
            stack.enter_context(freed_memory_kept())
            at_once = chunks_at_once(self.config, self.chunk_rows, self.device)
            if at_once is not None:
                self._pool = stack.enter_context(single_threads(at_once))
            try:
                yield
            finally:
                self._pool = None

    def __call__(self, batch: Batch) -> Tensor:
        """Step once and return the loss of the batch, in nats per row."""
        self.model.train()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        total = self._set_gradients(batch)
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._net, self.config.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        return total

    def _set_gradients(self, batch: Batch) -> Tensor:
        """Give every parameter the gradient of the batch's loss, and return the loss."""
        total = torch.zeros((), device=self.device)
        sparse: dict[nn.Parameter, list[Tensor]] = {}
        for loss, gradients in self._of_chunks(batch):
            total += loss
            for parameter, gradient in zip(self._trained, gradients, strict=True):
                if gradient is None:
                    continue
                if gradient.is_sparse:
                    sparse.setdefault(parameter, []).append(gradient)
                elif parameter.grad is None:
                    # Two parameters may get the same tensor, in any layout.
                    parameter.grad = gradient.clone(memory_format=torch.contiguous_format)
                else:
                    parameter.grad += gradient
        for parameter, parts in sparse.items():
            parameter.grad = _concatenated(parts)
        return total

    def _of_chunks(self, batch: Batch) -> Iterable[tuple[Tensor, Gradients]]:
        """Return loss and gradients of the chunks, in their order."""
        chunks = batch.split(self.chunk_rows)
        seeds = torch.randint(2**63 - 1, (len(chunks),)).tolist()

        def work(chunk: Batch, seed: int) -> tuple[Tensor, Gradients]:
            return self._of_chunk(chunk, len(chunk.labels) / len(batch.labels), seed)

        if self._pool is None:
            return map(work, chunks, seeds)
        first = []
        if self._in_turn is None:
            # All threads share PyTorch's own generator, and would get its numbers in any order.
            before = torch.get_rng_state()
            first = [self._pool.submit(work, chunks.pop(0), seeds.pop(0)).result()]
            self._in_turn = not torch.equal(before, torch.get_rng_state())
        if self._in_turn:
            pairs = zip(chunks, seeds, strict=True)
            return first + [self._pool.submit(work, *pair).result() for pair in pairs]
        # All of them before any is added up: PyTorch's threads, once used, spin for a while.
        return first + list(self._pool.map(work, chunks, seeds))

    def _of_chunk(self, chunk: Batch, share: float, seed: int) -> tuple[Tensor, Gradients]:
        with drawing_from(torch.Generator().manual_seed(seed)):
            with autocast(self.device, self.config.precision):
                loss = self.loss(chunk) * share
            return loss.detach(), torch.autograd.grad(loss, self._trained, allow_unused=True)


def _has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm1d) for module in model.modules())


def rows_of_chunk(model: CTRModel, config: TrainConfig, device: torch.device) -> int:
    """Return how many rows pass at a time: as configured, or as many as change no result."""
    # A batch norm's statistics are those of the rows that pass it together.
    suitable = config.batch_size if _has_batch_norm(model) else chunk_rows(device)
    return config.chunk_rows or suitable


def chunks_at_once(config: TrainConfig, rows: int, device: torch.device) -> int | None:
    """Return how many chunks of so many rows run in parallel, a thread each; None for none.

    A batch must have a chunk for every thread of PyTorch.
    """
    # torch.compile has its own guards and threads, which do not support this.
    if device.type != "cpu" or config.compile:
        return None
    threads = torch.get_num_threads()
    return threads if threads * rows <= config.batch_size else None


def _concatenated(parts: list[Tensor]) -> Tensor:
    """Return the sum of sparse gradients, equal rows not yet added up."""
    return torch.sparse_coo_tensor(
        torch.cat([part._indices() for part in parts], 1),
        torch.cat([part._values() for part in parts]),
        parts[0].shape,
        check_invariants=False,
    )
