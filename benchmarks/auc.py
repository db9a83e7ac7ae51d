"""The AUC of five million scores, against scikit-learn."""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.harness import add_common, begin, compare, save
from ctrkit.metrics import auc


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=5_000_000)
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    generator = np.random.default_rng(0)
    probabilities = generator.random(arguments.rows)
    labels = (generator.random(arguments.rows) < probabilities).astype(np.uint8)
    cases = {
        "float32 probabilities": probabilities.astype(np.float32),
        "float32 logits": np.log(probabilities / (1 - probabilities)).astype(np.float32),
        "float64 probabilities": probabilities,
    }
    found = []
    for name, scores in cases.items():
        difference = abs(auc(labels, scores) - roc_auc_score(labels, scores))
        if difference > 1e-12:
            raise AssertionError(f"AUC of {name} differs from scikit-learn's by {difference}")
        found.append(
            compare(
                f"AUC of {name}, scikit-learn",
                "scores",
                len(scores),
                lambda scores=scores: auc(labels, scores),
                lambda scores=scores: roc_auc_score(labels, scores),
                repeats=arguments.repeats,
                details={"difference": difference},
            )
        )
    save("auc", found)
