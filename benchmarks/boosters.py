"""LightGBM and CatBoost at their defaults, with early stopping, on the raw columns.

Neither is a dependency of ctrkit: ``pip install lightgbm catboost``, beside it or elsewhere.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.raw_logs import RawLog
from ctrkit.data import Schema

LIGHTGBM_TREES, CATBOOST_TREES = 1000, 600
PATIENCE = 50

Scores = dict[str, Any]


def columns_of(log: RawLog, schema: Schema) -> tuple[list[pd.DataFrame], list[str]]:
    """Return the columns of each part as ctrkit takes them, and the names of the categories.

    Numbers are numbers, a time is its weekday and hour, a dropped column is left out.
    """
    frames = [pd.DataFrame(index=frame.index) for frame in log.frames]
    for field in schema.fields:
        for frame, raw in zip(frames, log.frames, strict=True):
            column = raw[field.name]
            if field.kind == "timestamp":
                times = _times(column, field.time_format)
                frame[f"{field.name}_weekday"] = times.dt.dayofweek.astype(str)
                frame[f"{field.name}_hour"] = times.dt.hour.astype(str)
            elif field.kind in ("numeric", "integer"):
                frame[field.name] = pd.to_numeric(column, errors="coerce")
            elif field.kind != "dropped":
                frame[field.name] = column.astype(str)
    first = frames[0]
    is_number = pd.api.types.is_numeric_dtype
    return frames, [name for name in first.columns if not is_number(first[name])]


def _times(column: pd.Series, time_format: str | None) -> pd.Series:
    if time_format in ("epoch", "epoch_ms"):
        return pd.to_datetime(pd.to_numeric(column), unit="s" if time_format == "epoch" else "ms")
    return pd.to_datetime(column, format=None if time_format in (None, "iso") else time_format)


def lightgbm(log: RawLog, schema: Schema, labels: list[Any], seed: int, threads: int) -> Scores:
    """Return predicted probabilities of validation and test rows."""
    from lightgbm import LGBMClassifier, early_stopping

    frames, categories = columns_of(log, schema)
    for name in categories:
        known = pd.unique(frames[0][name])
        for frame in frames:
            seen = frame[name].where(frame[name].isin(known))
            frame[name] = pd.Categorical(seen, categories=known)
    model = LGBMClassifier(
        n_estimators=LIGHTGBM_TREES, verbose=-1, n_jobs=threads, random_state=seed
    )
    model.fit(
        frames[0],
        labels[0],
        eval_X=frames[1],
        eval_y=labels[1],
        eval_metric="binary_logloss",
        callbacks=[early_stopping(PATIENCE, verbose=False)],
    )
    valid, test = (model.predict_proba(frame)[:, 1] for frame in frames[1:])
    return {"valid": valid, "test": test}


def catboost(log: RawLog, schema: Schema, labels: list[Any], seed: int, threads: int) -> Scores:
    """Return predicted probabilities of validation and test rows."""
    from catboost import CatBoostClassifier

    frames, categories = columns_of(log, schema)
    model = CatBoostClassifier(
        iterations=CATBOOST_TREES,
        early_stopping_rounds=PATIENCE,
        cat_features=categories,
        random_seed=seed,
        thread_count=threads,
        verbose=0,
        allow_writing_files=False,
    )
    model.fit(frames[0], labels[0], eval_set=(frames[1], labels[1]))
    valid, test = (model.predict_proba(frame)[:, 1] for frame in frames[1:])
    return {"valid": valid, "test": test}


BOOSTERS = {"LightGBM": lightgbm, "CatBoost": catboost}
