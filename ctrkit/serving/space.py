"""Whether runs fit: asked when they are about to begin, before a table is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ctrkit.data import PreparedData
from ctrkit.embedding import tables_of
from ctrkit.models import CTRModel
from ctrkit.serving.folder import CHECKPOINTS
from ctrkit.space import check_disk, check_memory
from ctrkit.training import TrainConfig
from ctrkit.training.best import NAMES
from ctrkit.training.checkpoints import unfinished
from ctrkit.training.estimates import finished_disk, running_disk, table_bytes, training_memory
from ctrkit.training.memory import free_memory
from ctrkit.training.optimizers import table_optimizer

SMALLER_TABLE = "a smaller embedding_dim or a larger min_count"


def check_runs(
    what: str,
    data: PreparedData,
    runs: Sequence[tuple[CTRModel, TrainConfig, Path]],
    *,
    target_bytes: int = 0,
) -> None:
    """Make sure that models can be trained one after the other, and be kept in memory and files.

    Args:
        what: the work, for the message.
        data: prepared rows.
        runs: for each run the model, or its `blueprint`, its options and its folder.
        target_bytes: size of what a training row has besides ids, values and label.

    Raises:
        SpaceError: if they need more than is free.
    """
    held = in_memory = kept = on_disk = 0
    for model, config, _ in runs:
        in_memory = max(in_memory, held + _memory_of(data, model, config, target_bytes))
        on_disk = max(on_disk, kept + running_disk(model, config))
        held += table_bytes(model)
        kept += finished_disk(model)
    is_smallest = all(table_optimizer(model, config) == "adagrad" for model, config, _ in runs)
    advice = f"take {'' if is_smallest else 'table_optimizer adagrad, '}{SMALLER_TABLE}"
    num_rows = max(sum(map(len, tables_of(model))) for model, _, _ in runs)
    what = f"{what} with a table of {num_rows:,} rows"
    check_memory(what, in_memory, free_memory(), advice=advice)
    check_disk(
        what,
        on_disk,
        runs[-1][2],
        replaced=sum(_size_of_checkpoints(folder) for _, _, folder in runs),
        advice=advice,
    )


def _memory_of(data: PreparedData, model: CTRModel, config: TrainConfig, target_bytes: int) -> int:
    rows = data.train
    arrays = [array for array in (rows.ids, rows.labels, rows.values) if array is not None]
    return training_memory(
        model,
        config,
        num_rows=len(rows),
        row_bytes=sum(array.nbytes for array in arrays) // len(rows) + target_bytes,
        num_scored=max(len(data.valid), len(data.test)),
    ).total


def _size_of_checkpoints(folder: Path) -> int:
    checkpoints = folder / CHECKPOINTS
    files = [*(checkpoints / name for name in NAMES), *unfinished(checkpoints)]
    return sum(file.stat().st_size for file in files if file.exists())
