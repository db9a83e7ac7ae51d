"""Check that weights and scores are finite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ctrkit.data import Dataset
from ctrkit.metrics import Metrics, compute_metrics
from ctrkit.models import CTRModel
from ctrkit.training import probabilities, score


def check_finite_weights(path: Path, model: CTRModel) -> None:
    """Check that the weights of a model, read from a file, are finite.

    Raises:
        ValueError: if one is NaN or infinite, naming the file and the weight.
    """
    for name, weights in model.state_dict().items():
        if weights.numel() == 0 or not weights.is_floating_point():
            continue
        # Minimum and maximum are NaN if any number is; finding them takes no memory.
        least, largest = torch.aminmax(weights)
        if not (torch.isfinite(least) and torch.isfinite(largest)):
            raise ValueError(
                f"{path} must hold finite weights, got NaN or infinity in {name}; "
                "its training went wrong: train again"
            )


def finite(logits: Iterable[NDArray[np.float32]], what: str) -> Iterator[NDArray[np.float32]]:
    """Yield logits in parts, as long as they are finite.

    Args:
        logits: the parts, in the order of the rows.
        what: the rows' name, for messages.

    Raises:
        FloatingPointError: if one is NaN or infinite, naming its row.
    """
    done = 0
    for part in logits:
        # No sum: it may overflow even if no logit does.
        if len(part) and not (np.isfinite(part.min()) and np.isfinite(part.max())):
            row = int(np.argmin(np.isfinite(part)))
            raise FloatingPointError(
                f"{what}: the score of row {done + row + 1:,} must be finite, got {part[row]}; a "
                "value in this row or the weights of the model are too large for float32"
            )
        yield part
        done += len(part)


def measure(model: CTRModel, rows: Dataset, what: str) -> Metrics:
    """Return the metrics of a model on rows, scored in float32.

    Raises:
        ValueError: if there is only one class.
        FloatingPointError: if a score is not finite, naming the row.
    """
    labels: NDArray[Any] = np.asarray(rows.labels)
    (logits,) = finite([score(model, rows)], what)
    return compute_metrics(labels, probabilities(logits))
