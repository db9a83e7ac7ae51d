"""Memory and disk that training and scoring will need, as docs/memory.md has it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch

from ctrkit.embedding import embeddings_of, tables_of
from ctrkit.models import CTRModel
from ctrkit.models.cost import saved_bytes_per_row
from ctrkit.training.compute import choose_device
from ctrkit.training.config import TrainConfig
from ctrkit.training.optimizers import table_optimizer
from ctrkit.training.order import POOL_BYTES, POSITION_BYTES, chosen_shuffle
from ctrkit.training.step import chunks_at_once, rows_of_chunk

NUMBER_BYTES = 4
"""Size of a weight, of an optimizer's number, of an id and of a logit."""

SCORED_ROW_BYTES = 43
"""Bytes of a scored row: logit, probability, and the sorting that an exact AUC needs."""


@dataclass(frozen=True, kw_only=True)
class TrainingMemory:
    """Bytes of main memory that a training holds, besides the program and mapped files.

    Attributes:
        table: the embedding tables, the numbers of its optimizer, and the best weights where they
            are kept in memory.
        batch: rows that are ready or being made, and the gradient of a batch's table rows.
        chunk: what the model saves for its gradient, of the chunks that pass it at a time.
        order: the order of the rows.
        scores: of the rows that are scored together.
    """

    table: int
    batch: int
    chunk: int
    order: int
    scores: int

    @property
    def total(self) -> int:
        """Return all of it."""
        return sum(asdict(self).values())


def training_memory(
    model: CTRModel,
    config: TrainConfig,
    *,
    num_rows: int,
    row_bytes: int,
    num_scored: int = 0,
    best_in_memory: bool = False,
) -> TrainingMemory:
    """Return what training a model takes.

    With CUDA the table is made in main memory and then moved, and batch and chunk are the
    device's; they are zero here.

    Args:
        model: on whatever device; ``"meta"`` has sizes without any memory.
        config: the options of the run.
        num_rows: training rows.
        row_bytes: size of a training row on the disk, its target included.
        num_scored: rows that are scored together, the validation rows for example.
        best_in_memory: whether the best weights are kept there, and not in a run's folder.
    """
    device = choose_device(config.device)
    on_cpu = device.type == "cpu"
    weights = table_bytes(model)
    config = replace(config, batch_size=min(config.batch_size, num_rows))
    by_blocks = chosen_shuffle(config.shuffle, num_rows * row_bytes) == "blocks"
    return TrainingMemory(
        table=(_trained_table_bytes(model, config) if on_cpu else weights)
        + (weights if best_in_memory else 0),
        batch=_batch_bytes(model, config, row_bytes) if on_cpu else 0,
        chunk=_chunk_bytes(model, config, device) if on_cpu else 0,
        order=2 * POOL_BYTES if by_blocks else POSITION_BYTES * num_rows,
        scores=SCORED_ROW_BYTES * num_scored,
    )


def running_disk(model: CTRModel, config: TrainConfig) -> int:
    """Return the bytes of a run's files: the best weights, and what it can go on from.

    One more of the latter is there while it is written.
    """
    return weights_bytes(model) + (config.keep_checkpoints + 1) * _state_bytes(model, config)


def finished_disk(model: CTRModel) -> int:
    """Return the bytes of the checkpoints of a finished run, ``best.pt`` and ``last.pt``."""
    return 2 * weights_bytes(model)


def weights_bytes(model: CTRModel) -> int:
    """Return the size of all weights of a model."""
    return NUMBER_BYTES * sum(parameter.numel() for parameter in model.parameters())


def table_bytes(model: CTRModel) -> int:
    """Return the size of a model's embedding tables."""
    return NUMBER_BYTES * sum(table.numel() for table in tables_of(model))


def _trained_table_bytes(model: CTRModel, config: TrainConfig) -> int:
    is_dense = table_optimizer(model, config) == "dense"
    gradient = table_bytes(model) if is_dense else 0  # it lasts for the run
    return _table_state_bytes(model, config) + gradient


def _table_state_bytes(model: CTRModel, config: TrainConfig) -> int:
    weights, rows = table_bytes(model), NUMBER_BYTES * sum(map(len, tables_of(model)))
    return {
        "dense": 3 * weights,  # weight and two moments
        "lazy": 3 * weights + rows,  # a count of steps as well
        "adagrad": weights + rows,
    }[table_optimizer(model, config)]


def _state_bytes(model: CTRModel, config: TrainConfig) -> int:
    net = weights_bytes(model) - table_bytes(model)
    return _table_state_bytes(model, config) + 3 * net


def _batch_bytes(model: CTRModel, config: TrainConfig, row_bytes: int) -> int:
    # An entry of a sparse gradient has the numbers of a table row, and its position.
    entries = sum(
        embedding.num_slots * (NUMBER_BYTES * embedding.embedding_dim + POSITION_BYTES)
        for embedding in embeddings_of(model).values()
    )
    return config.batch_size * 3 * (row_bytes + entries)


def _chunk_bytes(model: CTRModel, config: TrainConfig, device: torch.device) -> int:
    rows = rows_of_chunk(model, config, device)
    at_once = chunks_at_once(config, rows, device) or 1
    return min(rows, config.batch_size) * at_once * saved_bytes_per_row(model)
