"""The duel: every model of ctrkit as it comes, against logistic regression and boosters.

Everything is at its defaults: ``train_run`` and ``distill_run`` get a model's name and a seed, no
more. The logistic regression is tuned on the validation rows (one-hot, numbers in 32 buckets);
LightGBM and CatBoost stop early on them. Validation rows choose, test rows are reported.

Each result is written as soon as it is there; a run that is started again makes the missing ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.boosters import BOOSTERS
from benchmarks.harness import RESULTS, add_threads, begin, machine
from benchmarks.raw_logs import RAW_LOGS, RawLog
from benchmarks.statistics import spell
from ctrkit.data import PreparedData, prepare
from ctrkit.distill import distill_run
from ctrkit.files import atomic_write
from ctrkit.metrics import auc, logloss
from ctrkit.runs import Recipe, Run, train_run
from ctrkit.training import TrainConfig, fit_regression, regression_logits

MODELS = {
    "EulerNet": "eulernet",
    "DAGFM": "dagfm",
    "CrossNet": "crossnet",
    "DCNv2": "dcnv2",
    "xDeepFM": "xdeepfm",
    "AutoInt+": "autoint_plus",
}
DISTILLED = "DAGFM from EulerNet"
LINEAR = "logistic regression"
METHODS = (*MODELS, DISTILLED, LINEAR, *BOOSTERS)
FILE = RESULTS / "duel.json"

Row = dict[str, Any]


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of the public samples")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--logs", nargs="+", choices=RAW_LOGS, default=list(RAW_LOGS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, default=FILE, help="results, which are added to")
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    missing = [name for name in BOOSTERS if name in arguments.methods and not _is_there(name)]
    if missing:
        raise SystemExit(f"install {' and '.join(missing)}, or leave them out with --methods")
    out: Path = arguments.out
    rows: list[Row] = json.loads(out.read_text())["rows"] if out.exists() else []
    done = {(row["log"], row["seed"], row["method"]) for row in rows}
    for name in arguments.logs:
        for seed in arguments.seeds:
            wanted = [m for m in arguments.methods if (name, seed, m) not in done]
            if not wanted:
                continue
            for row in _results(RAW_LOGS[name](arguments.data, seed), seed, wanted, arguments):
                rows.append({"log": name, "seed": seed, **row})
                _save(out, rows)
                print(_line(rows[-1]), flush=True)
    print(table(rows))


def _is_there(name: str) -> bool:
    return find_spec(name.lower()) is not None


def _results(
    log: RawLog, seed: int, methods: Sequence[str], arguments: argparse.Namespace
) -> Iterator[Row]:
    train, valid, test = log.frames
    parts = {"valid": valid, "test": test, "schema": log.schema}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        data = prepare(train, **parts, out=Path(folder) / "data")
        prepared = time.perf_counter() - began
        labels = [np.asarray(getattr(data, part).labels) for part in ("train", "valid", "test")]
        for method in methods:
            began = time.perf_counter()
            if method in MODELS:
                figures = _trained(data, MODELS[method], seed, Path(folder) / method)
            elif method == DISTILLED:
                figures = _distilled(data, seed, Path(folder) / "distilled")
            elif method == LINEAR:
                figures = _linear(log, parts)
            else:
                scores = BOOSTERS[method](log, data.schema, labels, seed, arguments.threads)
                figures = {
                    part: _figures(clicks, scores[part])
                    for part, clicks in zip(("valid", "test"), labels[1:], strict=True)
                }
            seconds = time.perf_counter() - began
            ours = method in MODELS or method == DISTILLED
            yield {"method": method, **figures, "seconds": seconds + prepared * ours}


def _trained(data: PreparedData, model: str, seed: int, out: Path) -> Row:
    outcome = train_run(data, model=model, config=TrainConfig(seed=seed), out=out)
    return {part: _of(outcome.evaluations[part]) for part in ("valid", "test")}


def _distilled(data: PreparedData, seed: int, out: Path) -> Row:
    config = TrainConfig(seed=seed)
    distill_run(
        data,
        teacher=Recipe(model="eulernet", train=config),
        student=Recipe(model="dagfm", train=config),
        out=out,
        alone=False,
    )
    student = Run(out, device="cpu")
    teacher = Run(out.with_name(f"{out.name}.phases") / "teacher", device="cpu")
    figures = {part: _of(student.evaluate_rows(data, part)) for part in ("valid", "test")}
    taught = {part: _of(teacher.evaluate_rows(data, part)) for part in ("valid", "test")}
    return {**figures, "teacher": taught}


def _of(metrics: Any) -> dict[str, float]:
    return {"auc": metrics.auc, "logloss": metrics.logloss}


def _linear(log: RawLog, parts: Row) -> Row:
    """Return the figures of a one-hot logistic regression, without history and crosses."""
    plain = {"history": "none", "crosses": "none", "numbers": "twice"}
    data = prepare(log.frames[0], **parts, **plain)
    one_hot = [
        getattr(shape, "cardinality", shape) if getattr(shape, "num_slots", 1) == 1 else shape
        for shape in data.cardinalities
    ]

    def ids_of(rows: Any) -> Any:
        return type(rows)(np.asarray(rows.ids), np.asarray(rows.labels))

    train, valid, test = (ids_of(rows) for rows in (data.train, data.valid, data.test))
    found = fit_regression(one_hot, train, valid)
    return {
        part: _figures(rows.labels, 1 / (1 + np.exp(-regression_logits(found, one_hot, rows))))
        for part, rows in (("valid", valid), ("test", test))
    }


def _figures(labels: Any, scores: Any) -> dict[str, float]:
    return {"auc": auc(labels, scores), "logloss": logloss(labels, scores)}


def _save(out: Path, rows: list[Row]) -> None:
    versions = {n.lower(): version(n.lower()) for n in BOOSTERS if _is_there(n)}
    content = {"machine": machine(), "versions": versions, "rows": rows}
    with atomic_write(out) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def _line(row: Row) -> str:
    test = row["test"]
    return (
        f"{row['log']:26s} {row['seed']} {row['method']:20s} "
        f"{test['auc']:.4f} / {test['logloss']:.4f}  {row['seconds']:6.1f} s"
    )


def table(rows: Sequence[Row]) -> str:
    """Return the results as a Markdown table: test AUC / logloss, mean and 95 % interval."""
    methods = [method for method in METHODS if any(row["method"] == method for row in rows)]
    lines = ["| log | " + " | ".join(methods) + " |", "| --- " * (len(methods) + 1) + "|"]
    for log in dict.fromkeys(row["log"] for row in rows):
        cells = []
        for method in methods:
            here = [r["test"] for r in rows if (r["log"], r["method"]) == (log, method)]
            cells.append(_cell(here) if here else "")
        lines.append(f"| {log} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figures: Sequence[dict[str, float]]) -> str:
    return "<br>".join(spell([one[name] for one in figures]) for name in ("auc", "logloss"))
