"""Hints: what the figures of a finished run say about it, and what to try."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctrkit.metrics import CALIBRATION_BINS, Metrics
from ctrkit.options import from_mapping, shown
from ctrkit.runs.folder import METRICS, read_json
from ctrkit.training import Record

LEAST_MISCALIBRATION = 0.05
"""Part of the clicks by which predictions must be off to be told of."""

NOISE = 2.0
"""How many times its sampling error a difference must have."""

LEAST_LATE_GAIN = 5e-4
"""AUC, or part of the logloss, by which a last validation must be the best to be told of."""


@dataclass(frozen=True)
class Hint:
    """What was seen in a run, and what to do.

    Args:
        code: a short name that stays.
        text: a sentence with the figures.
    """

    code: str
    text: str


def read_hints(run: Path) -> list[Hint]:
    """Return the hints of a finished run; none of one of before there were any.

    Raises:
        ValueError: if the file is damaged.
    """
    entries = read_json(run, METRICS).get("hints", [])
    try:
        return [from_mapping(Hint, entry, where="hints") for entry in entries]
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{run / METRICS} must have hints of code and text, got {shown(entries)}"
        ) from error


def hints(
    valid: Metrics | None,
    *,
    history: Sequence[Record] = (),
    regression: Metrics | None = None,
) -> list[Hint]:
    """Return hints on a run, from its validation rows alone; a good run has none.

    Args:
        valid: metrics of the model; None without validation rows, and there is nothing to say.
        history: its validations.
        regression: metrics of a logistic regression on the same rows.

    Example:
        >>> row = {"calibration_error": 0.0, "predicted_ratio": 1.0, "rows": 1000, "clicks": 100}
        >>> poor = Metrics(auc=0.51, logloss=0.34, normalized_entropy=1.05, **row)
        >>> [hint.code for hint in hints(poor)]
        ['worse_than_base_rate']
    """
    if valid is None:
        return []
    return [
        *_on_base_rate(valid),
        *_on_regression(valid, regression),
        *_on_calibration(valid),
        *_on_late_gain(history),
    ]


def _on_base_rate(valid: Metrics) -> Iterator[Hint]:
    if valid.normalized_entropy > 1:
        yield Hint(
            "worse_than_base_rate",
            f"normalised entropy is {valid.normalized_entropy:.3f} on the validation rows: always "
            "predicting their click rate has a smaller logloss; lower --learning-rate or --epochs, "
            "raise --table-l2, or see whether the columns tell anything about the label",
        )


def _on_regression(valid: Metrics, regression: Metrics | None) -> Iterator[Hint]:
    if regression is None:
        return
    behind = []
    if valid.auc < regression.auc:
        behind.append(f"AUC ({valid.auc:.5f} to {regression.auc:.5f})")
    if valid.logloss > regression.logloss:
        behind.append(f"logloss ({valid.logloss:.5f} to {regression.logloss:.5f})")
    if behind:
        yield Hint(
            "behind_regression",
            f"the model is behind a logistic regression on the validation rows in "
            f"{' and '.join(behind)}: start from it with --linear --start regression, or try "
            "another --learning-rate, a larger --table-l2 or a smaller model",
        )


def _on_calibration(valid: Metrics) -> Iterator[Hint]:
    rate = valid.clicks / valid.rows
    off, error = abs(valid.predicted_ratio - 1), valid.calibration_error / rate
    seen = []
    if off > max(LEAST_MISCALIBRATION, NOISE * math.sqrt((1 - rate) / valid.clicks)):
        seen.append(f"{valid.predicted_ratio:.3f} times as many clicks as there are")
    # The mean distance of a bin's click rate from its mean, if predictions are right, is 0.8 times
    # its deviation, and smaller for rows that the model tells apart.
    noise = 0.8 * math.sqrt((1 - rate) / valid.clicks * CALIBRATION_BINS)
    if error > max(LEAST_MISCALIBRATION, NOISE * noise):
        seen.append(f"click rates that are off by {valid.calibration_error:.4f} on average")
    if seen:
        yield Hint(
            "ill_calibrated",
            f"on the validation rows the model predicts {' and '.join(seen)}: choose the weights "
            "with --monitor logloss, or lower --learning-rate or --epochs",
        )


def _on_late_gain(history: Sequence[Record]) -> Iterator[Hint]:
    if len(history) < 2 or not history[-1].best:
        return
    *earlier, last = history
    aucs = [record.valid_auc for record in earlier if record.valid_auc is not None]
    losses = [record.valid_logloss for record in earlier if record.valid_logloss is not None]
    if not aucs or last.valid_auc is None or not losses or last.valid_logloss is None:
        return
    gain, fall = last.valid_auc - max(aucs), 1 - last.valid_logloss / min(losses)
    if max(gain, fall) >= LEAST_LATE_GAIN:
        yield Hint(
            "still_improving",
            f"the last validation was the best, with AUC {last.valid_auc:.5f} / logloss "
            f"{last.valid_logloss:.5f} after {max(aucs):.5f} / {min(losses):.5f}: more --epochs, "
            "or a higher --learning-rate, may gain more",
        )
