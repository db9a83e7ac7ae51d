"""TrainStep: one step of the optimizers on one batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ctrkit.models import Batch, CTRModel
from ctrkit.training.compute import chunk_rows
from ctrkit.training.config import TrainConfig
from ctrkit.training.optimizers import make_optimizers, net_parameters
from ctrkit.training.scoring import autocast


class TrainStep:
    """Makes a model's optimizers and steps them, batch by batch.

    The rows of a batch pass in chunks that fit the processor's cache: the gradient is that of the
    whole batch, and what is kept for it is bounded by a chunk. A loss is a mean over rows and terms
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
        self.chunk_rows = config.chunk_rows or self._suitable_chunk_rows()
        self._net = net_parameters(model)

    def _suitable_chunk_rows(self) -> int:
        """Return how many rows may pass at a time without a change of what is learnt."""
        # A batch norm's statistics are those of the rows that pass it together.
        has_batch_norm = any(isinstance(m, nn.BatchNorm1d) for m in self.model.modules())
        return self.config.batch_size if has_batch_norm else chunk_rows(self.device)

    def __call__(self, batch: Batch) -> Tensor:
        """Step once and return the loss of the batch, in nats per row."""
        self.model.train()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for chunk in batch.split(self.chunk_rows):
            with autocast(self.device, self.config.precision):
                loss = self.loss(chunk) * (len(chunk.labels) / len(batch.labels))
            loss.backward()
            total += loss.detach()
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._net, self.config.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        return total
