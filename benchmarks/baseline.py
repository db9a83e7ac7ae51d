"""The baseline of a run: how good, how quick and how large its logistic regression is.

Against scikit-learn's on all rows, with C chosen from more values and every fit to its end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from benchmarks.harness import add_threads, begin, measured, save
from benchmarks.raw_logs import RAW_LOGS
from ctrkit.data import PreparedData, load, prepare
from ctrkit.fields import field_shapes
from ctrkit.metrics import auc, logloss
from ctrkit.rows import Rows
from ctrkit.runs import measure_baseline
from ctrkit.synthetic import generate
from ctrkit.training import regression_bytes
from ctrkit.training.design import design_of

C_VALUES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SEED = 0


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="folder of the public samples")
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 5_000_000])
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    found = []
    for name, log in RAW_LOGS.items() if arguments.data else ():
        train, valid, test = (raw := log(arguments.data, SEED)).frames
        data = prepare(train, valid=valid, test=test, schema=raw.schema)
        found.append({"log": name, "baseline": _baseline(data), "scikit-learn": _tuned(data)})
        _show(found[-1])
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="ctrkit-bench-") as folder:
            generate(Path(folder) / "criteo.txt", rows=rows, seed=1)
            out = Path(folder) / "data"
            data = prepare(Path(folder) / "criteo.txt", format="criteo", out=out)
            told = [measured("-m", "benchmarks.baseline", work, out) for work in ("load", "fit")]
        peak = told[1]["peak_bytes"] - told[0]["peak_bytes"]
        name = f"generated Criteo, {rows:,} rows"
        memory = {
            "peak_bytes": peak,
            "formula_bytes": regression_bytes(data.cardinalities, len(data.train)),
        }
        found.append({"log": name, "baseline": {**told[1], **memory}})
        _show(found[-1])
    save("baseline", found)


def _show(entry: dict[str, Any]) -> None:
    ours, theirs = entry["baseline"], entry.get("scikit-learn")
    line = f"{entry['log']}: test {ours['auc']:.4f} / {ours['logloss']:.4f}, "
    line += f"{ours['seconds']:.1f} s, ridge {ours['ridge']:g}, {ours['rows']:,} rows"
    if theirs is not None:
        line += f"; scikit-learn {theirs['auc']:.4f} / {theirs['logloss']:.4f}, "
        line += f"{theirs['seconds']:.1f} s, C {theirs['C']:g}"
    else:
        peaks = (ours["peak_bytes"] / 2**20, ours["formula_bytes"] / 2**20)
        line += "; peak {:,.0f} MiB, by the formula {:,.0f}".format(*peaks)
    print(line, flush=True)


def _baseline(data: PreparedData) -> dict[str, float]:
    found = measure_baseline(data)
    if found.left_out is not None:
        raise SystemExit(f"no baseline: {found.left_out}")
    test = found.regression["test"]
    return {
        "auc": test.auc,
        "logloss": test.logloss,
        "seconds": found.seconds,
        "ridge": float(found.ridge or 0),
        "rows": found.rows,
    }


def _tuned(data: PreparedData) -> dict[str, float]:
    began = time.perf_counter()
    matrices = [_matrix(data, getattr(data, part)) for part in ("train", "valid", "test")]
    clicks = [np.asarray(getattr(data, part).labels) for part in ("train", "valid", "test")]
    best: dict[str, float] = {"valid_logloss": np.inf}
    for strength in C_VALUES:
        model = LogisticRegression(C=strength, max_iter=2000, tol=1e-6)
        with warnings.catch_warnings(action="ignore"):  # if that does not suffice
            model.fit(matrices[0], clicks[0])
        valid, test = (model.predict_proba(matrix)[:, 1] for matrix in matrices[1:])
        loss = logloss(clicks[1], valid)
        if loss < best["valid_logloss"]:
            figures = {"auc": auc(clicks[2], test), "logloss": logloss(clicks[2], test)}
            best = {"valid_logloss": loss, "C": strength, **figures}
    return {**best, "seconds": time.perf_counter() - began}


def _matrix(data: PreparedData, rows: Any) -> csr_matrix:
    shapes = field_shapes(data.cardinalities)
    design = design_of(shapes, Rows(rows.ids, rows.labels, rows.values))
    return hstack([design.table, csr_matrix(design.values)]).tocsr()


if __name__ == "__main__":  # the process that is measured
    prepared = load(sys.argv[2], check=False)
    import scipy.linalg
    import scipy.optimize  # noqa: F401  beside what `measure_baseline` takes

    print(json.dumps(_baseline(prepared) if sys.argv[1] == "fit" else {}))
