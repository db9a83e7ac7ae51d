"""EulerNet and a logistic regression on generated rows, against the best that is possible."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier

from benchmarks.harness import add_threads, begin, save
from benchmarks.linear import one_hot
from ctrkit.data import prepare
from ctrkit.runs import train_run
from ctrkit.synthetic import best_scores, generate
from ctrkit.training import TrainConfig, auc

ALPHAS = (1e-6, 3e-6, 1e-5, 3e-5)


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    add_threads(parser, default=2)
    parser.add_argument("--epochs", type=int, default=4)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    folder = Path(tempfile.mkdtemp(prefix="ctrkit-bench-"))
    try:
        result = _measure(arguments, folder)
    finally:
        shutil.rmtree(folder)
    save("planted", [result])


def _measure(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    raw, truth = folder / "criteo.txt", folder / "truth.npy"
    generate(raw, rows=arguments.rows, seed=arguments.seed, probabilities=truth)
    # Split "last" keeps the order of the log, so the test rows are its end.
    data = prepare(raw, format="criteo", split="last", out=folder / "data")
    labels = np.asarray(data.test.labels)
    best = best_scores(labels, np.load(truth)[-len(labels) :])
    linear = _logistic_regression(data)
    outcome = train_run(
        data,
        model="eulernet",
        model_options={},
        config=TrainConfig(seed=arguments.seed, epochs=arguments.epochs),
        out=folder / "run",
    )
    test = outcome.evaluations["test"]
    print(
        f"{arguments.rows:,} rows, test AUC: best possible {best.auc:.4f}, EulerNet {test.auc:.4f} "
        f"({best.auc - test.auc:.4f} short) in {outcome.result.epochs:.1f} epochs and "
        f"{outcome.result.seconds:.0f} s, logistic regression {linear:.4f} "
        f"({best.auc - linear:.4f} short)"
    )
    return {
        "rows": arguments.rows,
        "best_auc": best.auc,
        "best_logloss": best.logloss,
        "eulernet_auc": test.auc,
        "eulernet_logloss": test.logloss,
        "eulernet_seconds": outcome.result.seconds,
        "linear_auc": linear,
    }


def _logistic_regression(data) -> float:
    """Return the test AUC of the L2 strength that is best on the validation rows."""
    train, valid, test = (one_hot(data, rows) for rows in (data.train, data.valid, data.test))
    scores = {}
    for alpha in ALPHAS:
        model = SGDClassifier(loss="log_loss", alpha=alpha, average=True, max_iter=6, tol=None)
        model.fit(train, data.train.labels)
        valid_auc = auc(data.valid.labels, model.decision_function(valid))
        scores[valid_auc] = auc(data.test.labels, model.decision_function(test))
    return scores[max(scores)]
