"""The logs of the duel as raw frames, cut into training, validation and test rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ctrkit.data import Schema, built_in_schema

FRACTIONS = (0.8, 0.1)
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class RawLog:
    """Raw rows of one log.

    Args:
        frames: of training, validation and test, cells as text.
        label: name of the label.
        schema: of a known log; None where ctrkit is to guess it.
    """

    frames: tuple[pd.DataFrame, ...]
    label: str
    schema: Schema | None = None


def _read(path: Path, **options: object) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False, **options)  # type: ignore[call-overload]


def _given(data: Path, name: str) -> RawLog:
    frames = tuple(_read(data / name / f"{part}.csv.gz") for part in PARTS)
    return RawLog(frames, "label")


def _cut(frame: pd.DataFrame, seed: int | None) -> tuple[pd.DataFrame, ...]:
    """Cut rows at random by a seed, or in their order without one."""
    order = np.arange(len(frame))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(frame))
    ends = (np.cumsum(FRACTIONS) * len(frame)).round().astype(int)
    pieces = np.split(order, ends)
    return tuple(frame.iloc[np.sort(piece)].reset_index(drop=True) for piece in pieces)


def _avazu(data: Path) -> pd.DataFrame:
    return _read(data / "avazu/avazu_23k.csv.gz")


def _criteo(data: Path, rows: int | None = None) -> pd.DataFrame:
    names = list(built_in_schema("criteo").file_columns)
    return _read(data / "criteo/criteo_100k.txt.gz", sep="\t", names=names, nrows=rows)


def _known(frame: pd.DataFrame, format_: str, seed: int | None) -> RawLog:
    schema = built_in_schema(format_)
    return RawLog(_cut(frame, seed), schema.label, schema)


def _categories(seed: int) -> pd.DataFrame:
    """Nine columns of categories; few clicks; four pairs that matter beside the single columns."""
    draw = np.random.default_rng(1000 + seed)
    sizes = (12, 40, 150, 7, 300, 25, 5, 80, 500)
    columns = [_skewed(draw, size, draw.uniform(0.6, 1.2), 24_000) for size in sizes]
    logits = sum(
        0.45 * draw.standard_normal(size)[c] for size, c in zip(sizes, columns, strict=True)
    )
    for one, two in ((0, 1), (3, 5), (2, 6), (1, 7)):
        effect = 1.2 * draw.standard_normal((sizes[one], sizes[two]))
        logits = logits + effect[columns[one], columns[two]]
    clicks = draw.random(24_000) < 1 / (1 + np.exp(3.6 - logits))
    named = {f"c{number}": [f"v{c}" for c in column] for number, column in enumerate(columns)}
    return pd.DataFrame({"click": clicks.astype(int).astype(str), **named})


def _search_ads(seed: int) -> pd.DataFrame:
    """Search advertising: nearly unique users and queries, many advertisements."""
    draw = np.random.default_rng(2000 + seed)
    rows = 32_000
    sizes = {"user": 30_000, "query": 40_000, "ad": 4_000, "keyword": 9_000}
    skews = {"user": 0.3, "query": 0.8, "ad": 0.9, "keyword": 0.8}
    columns = {name: _skewed(draw, sizes[name], skews[name], rows) for name in sizes}
    columns["advertiser"] = columns["ad"] % 600
    columns |= {name: _skewed(draw, 3, 0.4, rows) for name in ("position", "depth", "gender")}
    columns["age"] = _skewed(draw, 6, 0.4, rows)
    weight = {"user": 0.5, "query": 0.5, "ad": 0.6, "keyword": 0.5, "advertiser": 0.6}
    logits = np.array([0.5, 0.0, -0.6])[columns["position"]] - 2.1
    for name, column in columns.items():
        logits = logits + weight.get(name, 0.2) * draw.standard_normal(column.max() + 1)[column]
    for one, two in (("advertiser", "age"), ("position", "depth")):
        effect = draw.standard_normal((columns[one].max() + 1, columns[two].max() + 1))
        logits = logits + 0.5 * effect[columns[one], columns[two]]
    clicks = draw.random(rows) < 1 / (1 + np.exp(-logits))
    texts = {name: [f"{name[0]}{value}" for value in column] for name, column in columns.items()}
    return pd.DataFrame({"click": clicks.astype(int).astype(str), **texts})


def _skewed(
    draw: np.random.Generator, size: int, exponent: float, rows: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    chances = 1 / np.arange(1, size + 1) ** exponent
    return draw.choice(size, rows, p=chances / chances.sum())


RAW_LOGS: dict[str, Callable[[Path, int], RawLog]] = {
    "adult": lambda data, _: _given(data, "adult"),
    "ml100k": lambda data, _: _given(data, "ml100k"),
    "frappe": lambda data, _: _given(data, "frappe"),
    "avazu_23k, random": lambda data, seed: _known(_avazu(data), "avazu", seed),
    "avazu_23k, by time": lambda data, _: _known(_avazu(data), "avazu", None),
    "criteo_100k, random": lambda data, seed: _known(_criteo(data), "criteo", seed),
    "criteo_100k, last tenth": lambda data, _: _known(_criteo(data), "criteo", None),
    "criteo, 20,000 rows": lambda data, seed: _known(_criteo(data, 20_000), "criteo", seed),
    "generated categories": lambda _, seed: RawLog(_cut(_categories(seed), seed), "click"),
    "generated search ads": lambda _, seed: RawLog(_cut(_search_ads(seed), seed), "click"),
}
"""By name: a function of the folder of the public samples and the seed of split or rows."""
