"""Estimate memory and disk of training and scoring, and refuse runs that would not fit.

docs/memory.md has the same formulas in words. Estimates use a `blueprint`, whose tensors have sizes
and no memory, before a table is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ctrkit.data import PreparedData
from ctrkit.embedding import embeddings_of, tables_of
from ctrkit.fields import Cardinalities
from ctrkit.machine import (
    address_limit,
    check_disk,
    check_memory,
    choose_device,
    free_memory,
    memory_bytes,
)
from ctrkit.models import CTRModel, blueprint, name_of, saved_bytes_per_row
from ctrkit.runs.folder import CHECKPOINTS
from ctrkit.training import (
    POOL_BYTES,
    POSITION_BYTES,
    WEIGHT_FILES,
    TrainConfig,
    chosen_shuffle,
    chunks_at_once,
    regression_bytes,
    rows_of_chunk,
    table_optimizer,
    unfinished,
)

NUMBER_BYTES = 4
"""Size of a weight, of an optimizer's number, of an id and of a logit."""

SCORED_ROW_BYTES = 43
"""Bytes of a scored row: logit, probability, and the sorting that an exact AUC needs."""


RESERVED_ADDRESSES, RESERVED_BY_THREAD = 512 << 20, 128 << 20
"""Addresses that SciPy's libraries and then a small training take: 0.2 GiB and the rest."""


class TrainingMemory(NamedTuple):
    """Bytes of main memory that a training holds, besides the program and mapped files."""

    table: int
    """The embedding tables, and the numbers of its optimizer."""

    batch: int
    """Rows that are ready or being made, and the gradient of a batch's table rows."""

    chunk: int
    """What the model saves for its gradient, of the chunks that pass it at a time."""

    order: int
    """The order of the rows."""

    scores: int
    """Of the rows that are scored together."""


def check_runs(
    what: str,
    data: PreparedData,
    runs: Sequence[tuple[CTRModel, TrainConfig, Path]],
    *,
    target_bytes: int = 0,
) -> None:
    """Check that models can be trained one after the other, and be kept in memory and files.

    Args:
        what: the work, for the message.
        data: prepared rows.
        runs: for each run the model, or its `blueprint`, its options and its folder.
        target_bytes: size of a training row's target.

    Raises:
        SpaceError: if they need more than is free.
    """
    arrays = [a for a in (data.train.ids, data.train.labels, data.train.values) if a is not None]
    row_bytes = sum(array.nbytes for array in arrays) // len(data.train) + target_bytes
    num_scored = max(len(data.valid), len(data.test))
    held = in_memory = kept = on_disk = 0
    for model, config, _ in runs:
        needed = training_memory(
            model, config, num_rows=len(data.train), row_bytes=row_bytes, num_scored=num_scored
        )
        in_memory = max(in_memory, held + sum(needed))
        on_disk = max(on_disk, kept + running_disk(model, config))
        held += table_bytes(model)
        kept += finished_disk(model)
    is_smallest = all(table_optimizer(model, config) == "adagrad" for model, config, _ in runs)
    smaller = "a smaller embedding_dim or a larger min_count"
    advice = f"take {'' if is_smallest else 'table_optimizer adagrad, '}{smaller}"
    num_rows = max(sum(map(len, tables_of(model))) for model, _, _ in runs)
    what = f"{what} with a table of {num_rows:,} rows"
    check_memory(what, in_memory, free_memory(), advice=advice)
    replaced = sum(_size_of_checkpoints(folder / CHECKPOINTS) for _, _, folder in runs)
    check_disk(what, on_disk, runs[-1][2], replaced=replaced, advice=advice)


def check_scoring(what: str, needed: int) -> None:
    """Check that a model can be loaded, or rows can be scored.

    Raises:
        SpaceError: if that needs more memory than is free.
    """
    advice = "end other programs, or take a machine with more memory"
    check_memory(what, needed, free_memory(), advice=advice)


def check_baseline(data: PreparedData) -> None:
    """Check that the logistic regression that a run is compared with can be fitted.

    Under a limit on addresses, what the training needs must be left beside SciPy's libraries.

    Raises:
        SpaceError: if that needs more memory than is free.
    """
    needed = regression_bytes(data.cardinalities, len(data.train))
    if address_limit() is not None:
        needed += RESERVED_ADDRESSES + torch.get_num_threads() * RESERVED_BY_THREAD
    advice = "end other programs"
    check_memory("a logistic regression", needed, free_memory(), advice=advice)


def check_fits_memory(
    kind: str | type[CTRModel], cardinalities: Cardinalities, options: Mapping[str, Any]
) -> None:
    """Check that the weights of a new model fit the memory of this machine, free or not.

    Raises:
        ValueError: if they do not, or an option is refused.
        TypeError: if an option has the wrong type.
    """
    installed = memory_bytes()
    model = blueprint(kind, cardinalities, options, where="model options")
    needed = sum(weights.nbytes for weights in model.state_dict().values())
    if installed is not None and needed > installed:
        raise ValueError(
            f"the weights of {name_of(kind)} must fit the memory of this machine, "
            f"{installed / 1e9:,.1f} GB, got {needed / 1e9:,.1f} GB; reduce embedding_dim or "
            "the sizes of the layers, or give rare categories one id (min_count, hash_buckets)"
        )


def training_memory(
    model: CTRModel, config: TrainConfig, *, num_rows: int, row_bytes: int, num_scored: int = 0
) -> TrainingMemory:
    """Return the memory of training a model whose best weights are kept in a file.

    With CUDA the table is made in main memory and then moved, and batch and chunk are the
    device's; they are zero here.

    Args:
        model: on any device; on ``"meta"`` it takes no memory.
        config: the options of the run.
        num_rows: training rows.
        row_bytes: size of a training row on the disk, its target included.
        num_scored: rows that are scored together, the validation rows for example.
    """
    device = choose_device(config.device)
    config = replace(config, batch_size=min(config.batch_size, num_rows))
    table, batch, chunk = table_bytes(model), 0, 0
    if device.type == "cpu":
        is_dense = table_optimizer(model, config) == "dense"
        gradient = table if is_dense else 0  # it lasts for the run
        table = _table_state_bytes(model, config) + gradient
        batch = _batch_bytes(model, config, row_bytes)
        chunk = _chunk_bytes(model, config, device)
    by_blocks = chosen_shuffle(config.shuffle, num_rows * row_bytes) == "blocks"
    order = 2 * POOL_BYTES if by_blocks else POSITION_BYTES * num_rows
    return TrainingMemory(table, batch, chunk, order, SCORED_ROW_BYTES * num_scored)


def running_disk(model: CTRModel, config: TrainConfig) -> int:
    """Return the bytes of a run's files: the best weights, and what it can resume from.

    While a checkpoint is written, there is one more.
    """
    net = _weights_bytes(model) - table_bytes(model)
    state = _table_state_bytes(model, config) + 3 * net
    return _weights_bytes(model) + (config.keep_checkpoints + 1) * state


def finished_disk(model: CTRModel) -> int:
    """Return the bytes of the checkpoints of a finished run, ``best.pt`` and ``last.pt``."""
    return 2 * _weights_bytes(model)


def table_bytes(model: CTRModel) -> int:
    """Return the size of a model's embedding tables."""
    return NUMBER_BYTES * sum(table.numel() for table in tables_of(model))


def _weights_bytes(model: CTRModel) -> int:
    return NUMBER_BYTES * sum(parameter.numel() for parameter in model.parameters())


def _table_state_bytes(model: CTRModel, config: TrainConfig) -> int:
    weights, rows = table_bytes(model), NUMBER_BYTES * sum(map(len, tables_of(model)))
    return {
        "dense": 3 * weights,  # weight and two moments
        "lazy": 3 * weights + rows,  # a count of steps as well
        "adagrad": weights + rows,
    }[table_optimizer(model, config)]


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


def _size_of_checkpoints(folder: Path) -> int:
    files = [*(folder / name for name in WEIGHT_FILES), *unfinished(folder)]
    return sum(file.stat().st_size for file in files if file.exists())
