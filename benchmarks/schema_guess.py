"""Whole numbers by their values: amounts or codes, against the truth, written by hand.

And what a column is worth whose values nearly all differ.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import save
from ctrkit.data.columns import Column, Tokens
from ctrkit.data.guessing.amounts import FEW_VALUES, WholeNumbers, judge_whole_numbers
from ctrkit.data.guessing.samples import SAMPLED_ROWS, ColumnSample

AMOUNT, CODE, EITHER = "amount", "code", "either"
SIZES = (SAMPLED_ROWS, 20_000, 5_000, 1_000)

FILES = {
    "adult": "adult/train.csv.gz",
    "ml100k": "ml100k/train.csv.gz",
    "avazu": "avazu/avazu_23k.csv.gz",
    "frappe": "frappe/train.csv.gz",
    "criteo": "criteo/criteo_100k.txt.gz",
}
TRUTH = {
    "adult": {
        **dict.fromkeys(("age", "fnlwgt", "capital_gain", "capital_loss"), AMOUNT),
        "hours_per_week": AMOUNT,
        "educational_num": EITHER,
    },
    "ml100k": {"user_id": CODE, "movie_id": CODE, "age": AMOUNT, "year": EITHER},
    "avazu": dict.fromkeys(
        ("C1", "banner_pos", "device_type", "device_conn_type", *(f"C{n}" for n in range(14, 22))),
        CODE,
    ),
    "frappe": dict.fromkeys(
        (
            *("user", "item", "daytime", "weekday", "isweekend", "homework", "cost", "weather"),
            *("country", "city"),
        ),
        CODE,
    ),
    "criteo": dict.fromkeys((f"I{number}" for number in range(1, 14)), AMOUNT),
}

Generator = np.random.Generator
Numbers = np.ndarray


def zipf(g: Generator, rows: int, values: int, exponent: float = 1.1) -> Numbers:
    """Return places below `values`, the first the most frequent."""
    weights = np.arange(1, values + 1) ** -exponent
    return g.choice(values, rows, p=weights / weights.sum())


def ids(g: Generator, rows: int, known: Numbers, exponent: float = 1.1) -> Numbers:
    """Return ids whose frequency knows nothing of their order."""
    return g.permutation(known)[zipf(g, rows, len(known), exponent)]


MADE_AMOUNTS: dict[str, Callable[[Generator, int], Numbers]] = {
    "age": lambda g, n: np.clip(g.normal(38, 13, n), 17, 90),
    "price": lambda g, n: g.lognormal(8, 1, n),
    "price in 99s": lambda g, n: 100 * g.lognormal(3, 1, n).astype(int) + 99,
    "price in 10s": lambda g, n: 10 * g.lognormal(3, 1, n).astype(int),
    "one of 16 prices": lambda g, n: g.choice(np.geomspace(99, 1999, 16).astype(int), n),
    "income in 1000s": lambda g, n: 1000 * g.lognormal(3.5, 0.6, n).astype(int),
    "salary": lambda g, n: g.normal(50_000, 12_000, n),
    "mostly 0": lambda g, n: np.where(g.random(n) < 0.9, 0, g.lognormal(7, 1, n)),
    "count, small": lambda g, n: g.poisson(3, n),
    "count, falling": lambda g, n: g.geometric(0.2, n),
    "count, wide": lambda g, n: g.negative_binomial(0.5, 0.01, n),
    "followers": lambda g, n: g.lognormal(5, 2.5, n),
    "likes": lambda g, n: g.pareto(0.8, n),
    "seconds": lambda g, n: g.lognormal(4, 1.5, n),
    "minutes, rounded": lambda g, n: np.where(
        g.random(n) < 0.7, g.gamma(2, 30, n) // 15 * 15, g.gamma(2, 30, n)
    ),
    "hours of 40": lambda g, n: np.where(
        g.random(n) < 0.5, 40, np.clip(g.normal(40, 14, n), 1, 99)
    ),
    "score to 100": lambda g, n: np.clip(g.normal(60, 20, n), 0, 100),
    "score to 1000": lambda g, n: np.clip(g.normal(500, 150, n), 0, 1000),
    "height": lambda g, n: g.normal(172, 9, n),
    "degrees": lambda g, n: g.normal(12, 9, n),
    "two humps": lambda g, n: np.where(
        g.random(n) < 0.5, g.normal(100, 10, n), g.normal(300, 30, n)
    ),
    "uniform to 100": lambda g, n: g.integers(0, 101, n),
    "uniform to 5000": lambda g, n: g.integers(0, 5000, n),
}
MADE_CODES: dict[str, Callable[[Generator, int], Numbers]] = {
    "20 kinds": lambda g, n: ids(g, n, np.arange(20)),
    "200 kinds": lambda g, n: ids(g, n, np.arange(200), 0.3),
    "500 items": lambda g, n: ids(g, n, np.arange(500)),
    "10,000 users": lambda g, n: ids(g, n, np.arange(1, 10_001)),
    "1,000 users, alike": lambda g, n: g.integers(1, 1001, n),
    "10,000 users, alike": lambda g, n: g.integers(1, 10_001, n),
    "ids with gaps": lambda g, n: ids(g, n, g.choice(2_000_000, 3000, replace=False)),
    "large ids": lambda g, n: ids(g, n, g.integers(10**9, 10**12, 2000)),
    "ids, one far off": lambda g, n: ids(g, n, np.append(g.permutation(10_000)[:2999], 10**8)),
    "ids of two times": lambda g, n: ids(
        g, n, np.append(g.integers(1, 10**6, 2700), g.integers(10**9, 2 * 10**9, 300))
    ),
    "ids, late ones": lambda g, n: 20_000 - g.exponential(800, n),
    "ids as first seen": lambda g, n: pd.factorize(zipf(g, n, 5000, 0.9))[0],
    "ids by frequency": lambda g, n: zipf(g, n, 500),
    "ids by frequency, many": lambda g, n: zipf(g, n, 20_000, 1.0),
    "-1 or an id": lambda g, n: np.where(g.random(n) < 0.5, -1, 10**5 + ids(g, n, np.arange(200))),
    "zip code": lambda g, n: ids(g, n, g.permutation(90_000)[:4000] + 10_000),
    "area code": lambda g, n: ids(g, n, g.choice(np.arange(200, 990), 300, replace=False)),
    "trade, 2 and 2 digits": lambda g, n: ids(
        g, n, 100 * g.integers(11, 99, 60) + g.integers(0, 99, 60), 0.7
    ),
    "address": lambda g, n: ids(g, n, 2**24 * g.integers(0, 255, 300) + g.integers(0, 2**16, 300)),
    "8 bits": lambda g, n: g.integers(0, 256, n),
    "hour of the day": lambda g, n: np.clip(g.normal(14, 5, n), 0, 23),
    "day of the month": lambda g, n: g.integers(1, 32, n),
}

GROUPS = (40, 20, 10, 5, 2, 1, 0.5)


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of the public samples")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    rows = [_judged(*column) for column in _columns(arguments.data, arguments.seed)]
    print(_table([row for row in rows if row["distinct"] > FEW_VALUES]))
    few = [row["column"] for row in rows if row["distinct"] <= FEW_VALUES]
    print(f"\nof {FEW_VALUES} values at most, and so codes: {', '.join(few)}")
    wrong = [row["column"] for row in rows if row["column"] not in few and row["is_wrong"]]
    print(f"wrong: {len(wrong)} of {len(rows) - len(few)}: {', '.join(wrong)}\n")
    worth = [_worth_of_rare(share, arguments.seed) for share in GROUPS]
    print(_table(worth))
    save("schema_guess", rows, worth=worth)


def _columns(data: Path, seed: int) -> Iterator[tuple[str, str, str, pd.Series]]:
    """Yield the log and the name of every column, its truth, and its cells."""
    for log, truth in TRUTH.items():
        names = ["label", *truth, *(f"C{n}" for n in range(1, 27))] if log == "criteo" else None
        frame = pd.read_csv(
            data / FILES[log],
            sep="\t" if log == "criteo" else ",",
            names=names,
            dtype=str,
            keep_default_na=False,
        )
        for name, kind in truth.items():
            yield log, name, kind, frame[name]
    for kind, made in ((AMOUNT, MADE_AMOUNTS), (CODE, MADE_CODES)):
        for name, make in made.items():
            numbers = make(np.random.default_rng(seed), SAMPLED_ROWS)
            yield "made", name, kind, pd.Series(np.floor(numbers).astype(np.int64)).astype(str)


def _judged(log: str, name: str, truth: str, cells: pd.Series) -> dict[str, Any]:
    """Return what the rule says of a column, by name and by values alone, and its statistics."""
    row: dict[str, Any] = {"column": f"{log} {name}", "truth": truth}
    row["guess"] = _kind(_sample(name if log != "made" else "x", cells, SAMPLED_ROWS))
    row["is_wrong"] = row["guess"] != truth != EITHER
    sizes = dict.fromkeys(min(size, len(cells)) for size in SIZES)
    alone = {size: _kind(_sample("x", cells, size)) for size in sizes}
    wrong = [f"{size:,}" for size, kind in alone.items() if kind != truth != EITHER]
    row["wrong by values alone of"] = ", ".join(wrong)
    values, counts = _sample("x", cells, SAMPLED_ROWS).values
    row["distinct"] = len(values)
    if len(values) > FEW_VALUES:
        row |= dataclasses.asdict(WholeNumbers.of(values, counts))
    return row


def _kind(sample: ColumnSample) -> str:
    return AMOUNT if judge_whole_numbers(sample)[0] else CODE


def _sample(name: str, cells: pd.Series, size: int) -> ColumnSample:
    codes, distinct = pd.factorize(cells[:size])
    return ColumnSample.of(name, Column(codes, Tokens.from_texts(list(distinct))), size)


def _worth_of_rare(per_row: float, seed: int, rows: int = 30_000) -> dict[str, Any]:
    """Return what click rates by an id are worth, by how many rows share it.

    Clicks depend on the id alone. Rates are those of training rows, drawn towards the mean by the
    best of some strengths; 1 is what knowing every id's true chance would be worth.

    Args:
        per_row: ids to draw from, for every row.
        seed: of the first of five logs.
        rows: of a log.
    """
    found = []
    for repeat in range(5):
        g = np.random.default_rng([seed, repeat])
        drawn = g.integers(0, round(per_row * rows), rows)
        logits = g.normal(-1.5, 1, round(per_row * rows))[drawn]
        clicks = g.random(rows) < 1 / (1 + np.exp(-logits))
        is_test = g.random(rows) < 0.2
        _, places, counts = np.unique(drawn, return_inverse=True, return_counts=True)
        seen, clicked = (
            np.bincount(places[~is_test], weights=weights, minlength=len(counts))[places[is_test]]
            for weights in (None, clicks[~is_test])
        )
        rate = clicks[~is_test].mean()
        true = 1 / (1 + np.exp(-logits[is_test]))
        none, all_known = (
            _logloss(clicks[is_test], chance) for chance in (np.full(len(true), rate), true)
        )
        best = min(
            _logloss(clicks[is_test], (clicked + strength * rate) / (seen + strength))
            for strength in 2.0 ** np.arange(8)
        )
        alone = (counts == 1).sum() / rows
        found.append((len(counts) / rows, alone, (none - best) / (none - all_known)))
    distinct, alone, worth = np.mean(found, axis=0)
    return {"distinct": distinct, "share with no other row": alone, "worth": worth}


def _logloss(clicks: Numbers, chances: Numbers) -> float:
    return float(-np.log(np.where(clicks, chances, 1 - chances)).mean())


def _table(rows: list[dict[str, Any]]) -> str:
    head = [name for name in rows[0] if name != "is_wrong"]
    lines = [head, ["---"] * len(head)]
    lines += [[_cell(row.get(name)) for name in head] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str("" if value is None else value)
