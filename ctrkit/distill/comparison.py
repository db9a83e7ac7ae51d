"""The comparison of all models of a distillation: quality, cost, agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctrkit.data import Dataset
from ctrkit.distill.agreement import Agreement, agreement
from ctrkit.distill.teachers import compute_logits
from ctrkit.metrics import compute_metrics
from ctrkit.models import CTRModel, cost_of
from ctrkit.training import latencies, probabilities


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One model of a distillation, measured.

    Attributes:
        name: teacher, alone, distilled or finetuned.
        auc: on the rows of the table.
        logloss: mean loss per row, in nats.
        table_parameters: numbers of its embedding tables.
        net_parameters: all its other numbers; none is masked or unused.
        multiply_adds: those of its matrix products, for one row.
        seconds_per_row: median, by the number of rows of a request.
        seconds_per_row_quartiles: the quartiles around it, half of the requests lying between.
        bytes_on_disk: of its checkpoint.
        agreement: with the teacher; None for the teacher itself.
    """

    name: str
    auc: float
    logloss: float
    table_parameters: int
    net_parameters: int
    multiply_adds: int
    seconds_per_row: dict[int, float]
    seconds_per_row_quartiles: dict[int, tuple[float, float]]
    bytes_on_disk: int
    agreement: Agreement | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return asdict(self)


Contender = tuple[str, Sequence[CTRModel], Sequence[Path]]
"""A name, the models (several are an ensemble) and their checkpoint files."""


def compare_models(
    contenders: Sequence[Contender], rows: Dataset, *, what: str
) -> tuple[ComparedModel, ...]:
    """Measure models on rows with labels; the first is the teacher, the reference of the others.

    Args:
        contenders: what to measure.
        rows: what they are scored on.
        what: the rows' name, for messages.
    """
    labels = np.asarray(rows.labels)
    theirs: NDArray[np.float32] | None = None
    found = []
    times = latencies([models for _, models, _ in contenders], rows)
    for (name, models, files), by_size in zip(contenders, times, strict=True):
        logits = compute_logits(models, rows, what=what)
        metrics = compute_metrics(labels, probabilities(logits))
        costs = [cost_of(model) for model in models]
        found.append(
            ComparedModel(
                name=name,
                auc=metrics.auc,
                logloss=metrics.logloss,
                table_parameters=sum(cost.table_parameters for cost in costs),
                net_parameters=sum(cost.net_parameters for cost in costs),
                multiply_adds=sum(cost.multiply_adds for cost in costs),
                seconds_per_row={size: found.median for size, found in by_size.items()},
                seconds_per_row_quartiles={
                    size: (found.low, found.high) for size, found in by_size.items()
                },
                bytes_on_disk=sum(file.stat().st_size for file in files),
                agreement=None if theirs is None else agreement(logits, theirs),
            )
        )
        theirs = logits if theirs is None else theirs
    return tuple(found)
