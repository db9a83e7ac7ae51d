"""The baseline of a run: what the click rate, and a logistic regression, predict on its rows.

A model is worth its time if it beats both. The regression has the ids and values that the model
sees, and nothing else; it is fitted on some of the training rows, in a few per cent of the time of
an ordinary training, and bounded memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from ctrkit.data import Dataset, PreparedData
from ctrkit.files import load_json, save_json
from ctrkit.metrics import Metrics, compute_metrics, constant_metrics
from ctrkit.options import from_mapping, printable, shortened, shown
from ctrkit.runs.folder import BASELINE, METRICS, read_json
from ctrkit.runs.space import check_baseline
from ctrkit.training import fit_regression, regression_logits

EVALUATED = ("valid", "test")
"""Parts of the data that figures are about."""

_FITTED = ("ridge", "rows", "seconds", "left_out")
"""What is said of the regression besides its figures; the last if there is none."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a model is compared with. Metrics are by part, ``"valid"`` and ``"test"``.

    Attributes:
        click_rate: of the training rows.
        base_rate: metrics of predicting this rate for every row.
        regression: metrics of a logistic regression; empty if there is none.
        ridge: its L2, chosen on the validation rows: C of scikit-learn is ``1 / ridge``.
        rows: training rows that it was fitted on.
        seconds: what it took.
        left_out: why there is no regression.
    """

    click_rate: float
    base_rate: Mapping[str, Metrics]
    regression: Mapping[str, Metrics] = field(default_factory=dict)
    ridge: float | None = None
    rows: int = 0
    seconds: float = 0.0
    left_out: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        rate = {"click_rate": self.click_rate}
        names = _FITTED[:-1] if self.left_out is None else _FITTED[-1:]
        fitted = {name: getattr(self, name) for name in names}
        return {
            "base_rate": {**rate, **_plain(self.base_rate)},
            "logistic_regression": {**fitted, **_plain(self.regression)},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, where: Path) -> Self:
        """Return what `to_dict` was called on.

        Raises:
            ValueError: if it is nothing that `to_dict` returns.
        """
        try:
            rate, fitted = content["base_rate"], content["logistic_regression"]
            entries = {
                "click_rate": rate["click_rate"],
                "base_rate": _metrics_of(rate),
                "regression": _metrics_of(fitted),
                **{name: fitted[name] for name in _FITTED if name in fitted},
            }
            return from_mapping(cls, entries, where=str(where))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{where} must describe the baseline of this run, got {shown(content)}"
            ) from error

    def summary(self) -> str:
        """Say in a line what is to be beaten on the validation rows."""
        if self.left_out is not None:
            return f"no logistic regression to compare with: {self.left_out}"
        used = f"logistic regression of {self.rows:,} rows in {self.seconds:.1f} s"
        if "valid" not in self.regression:
            return f"{used}, without validation rows"
        found, rate = self.regression["valid"], self.base_rate["valid"]
        return (
            f"to beat: valid auc {found.auc:.5f}  logloss {found.logloss:.5f} ({used}), "
            f"logloss {rate.logloss:.5f} (the click rate)"
        )


def read_baseline(run: Path) -> Baseline | None:
    """Return the baseline of a finished run; None if it has none, as those of before.

    Raises:
        ValueError: if the file is damaged.
    """
    content = read_json(run, METRICS).get("baseline")
    return None if content is None else Baseline.from_dict(content, where=run / METRICS)


def kept_baseline(out: Path, data: PreparedData, *, check_space: bool) -> Baseline:
    """Return the baseline of a run that goes on; of a new one, measure it and keep it."""
    path = out / BASELINE
    try:
        return Baseline.from_dict(load_json(path), where=path)
    except (FileNotFoundError, ValueError):
        found = measure_baseline(data, check_space=check_space)
        save_json(path, found.to_dict())
        return found


def measure_baseline(data: PreparedData, *, check_space: bool = True) -> Baseline:
    """Fit a logistic regression on the training rows, and measure it and the click rate.

    If the regression cannot be made, the baseline says why: it must not cost a run.

    Args:
        data: prepared rows; each part has clicks and other rows.
        check_space: leave it out if it would not fit in memory.
    """
    parts = {name: rows for name in EVALUATED if len(rows := getattr(data, name))}
    rate = data.train.click_rate
    base_rate = {
        name: constant_metrics(rate, rows=len(rows), clicks=rows.num_clicks)
        for name, rows in parts.items()
    }
    regression: dict[str, Any] = {}
    try:
        if check_space:
            check_baseline(data)
        regression = _regression(data, parts)
    except MemoryError:
        regression["left_out"] = "the memory does not suffice"
    except Exception as error:  # whatever it is: the run does not need it
        reason = printable(shortened(str(error) or type(error).__name__))
        regression["left_out"] = reason
    return Baseline(click_rate=rate, base_rate=base_rate, **regression)


def _regression(data: PreparedData, parts: Mapping[str, Dataset]) -> dict[str, Any]:
    began = time.perf_counter()
    found = fit_regression(data.cardinalities, data.train, parts.get("valid"))
    if not 0 < found.num_clicks < found.num_rows:
        raise ValueError(
            f"the {found.num_rows:,} training rows drawn for it must have both classes, "
            f"got {found.num_clicks:,} clicks"
        )
    metrics = {}
    with np.errstate(over="ignore"):
        for name, rows in parts.items():
            logits = regression_logits(found, data.cardinalities, rows)
            metrics[name] = compute_metrics(np.asarray(rows.labels), 1 / (1 + np.exp(-logits)))
    return {
        "regression": metrics,
        "ridge": found.ridge,
        "rows": found.num_rows,
        "seconds": time.perf_counter() - began,
    }


def _plain(metrics: Mapping[str, Metrics]) -> dict[str, Any]:
    return {name: figures.to_dict() for name, figures in metrics.items()}


def _metrics_of(content: Mapping[str, Any]) -> dict[str, Metrics]:
    return {
        name: from_mapping(Metrics, row, where=name)
        for name, row in content.items()
        if name in EVALUATED
    }
