"""One training run from prepared data to a run folder."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ctrkit.data import PreparedData
from ctrkit.models import CTRModel, build_model
from ctrkit.options import to_mapping
from ctrkit.serving.run import CHECKPOINTS, save_run
from ctrkit.training import Metrics, Observer, TrainConfig, Trainer, TrainResult, evaluate


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What `train_run` returns: the model with its best weights, and how it did."""

    model: CTRModel
    result: TrainResult
    evaluations: dict[str, Metrics]


def train_run(
    data: PreparedData,
    *,
    model: str,
    model_options: Mapping[str, Any],
    config: TrainConfig,
    out: Path,
    observers: Sequence[Observer] = (),
    command: Sequence[str] = (),
) -> Outcome:
    """Build a model, train it, evaluate it and write the run folder.

    The test rows are read once, after the best weights were chosen on the validation rows.

    Args:
        data: prepared rows.
        model: a key of `ctrkit.models.MODELS`.
        model_options: keywords of the model.
        config: options of the training.
        out: the run's folder.
        observers: who is told how it goes.
        command: the command line, for ``config.json``.
    """
    (out / "metrics.json").unlink(missing_ok=True)  # from here on the run is unfinished
    torch.manual_seed(config.seed)
    built = build_model(model, data.cardinalities, model_options, where="model options")
    valid = data.valid if len(data.valid) else None
    result = Trainer(config, observers=observers).fit(
        built, data.train, valid, checkpoints=out / CHECKPOINTS
    )
    splits = {"valid": data.valid, "test": data.test}
    evaluations = {
        name: evaluate(built, rows, precision=config.precision)
        for name, rows in splits.items()
        if len(rows)
    }
    save_run(
        out,
        model=built,
        data=data,
        result=result,
        evaluations=evaluations,
        settings={
            "train": to_mapping(config),
            "data": {**data.info, "path": str(data.path)},
            "command": list(command),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
                "pandas": pd.__version__,
            },
        },
    )
    return Outcome(model=built, result=result, evaluations=evaluations)
