"""EulerNet as `ctrkit train` trains it, and a tuned logistic regression, on the same splits.

Every seed is a split of its own, so the paired difference is what the seeds' spread says least of.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import add_threads, begin, save
from benchmarks.linear import fit_logistic_regression
from benchmarks.statistics import spell
from ctrkit.data import PreparedData, prepare
from ctrkit.runs import Outcome, train_run
from ctrkit.training import TrainConfig

FILES = {"criteo": "criteo/criteo_100k.txt.gz", "avazu": "avazu/avazu_23k.csv.gz"}


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with criteo/ and avazu/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", choices=FILES)
    parser.add_argument("--implicit-init", nargs="+", help="compare starts of EulerNet instead")
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    chosen = [name for name in FILES if arguments.only in (None, name)]
    results = []
    for name in chosen:
        file = arguments.data / FILES[name]
        if arguments.implicit_init:
            results.append(_starts(name, file, arguments.seeds, arguments.implicit_init))
        else:
            results.append(_against_linear(name, file, arguments.seeds))
    kind = "starts" if arguments.implicit_init else "samples"
    save("_".join([kind, *chosen]), results)


def _eulernet(data: PreparedData, seed: int, **options: Any) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(seed=seed)
        return train_run(data, model_options=options, config=config, out=Path(folder) / "run")


def _starts(name: str, file: Path, seeds: list[int], inits: list[str]) -> dict[str, object]:
    """Compare starts of the implicit weights, every one on the same splits."""
    found: dict[str, list[dict[str, float]]] = {init: [] for init in inits}
    for seed in seeds:
        data = prepare(file, format=name, seed=seed)
        for init in inits:
            test = _eulernet(data, seed, implicit_init=init).evaluations["test"]
            found[init].append({"seed": seed, "auc": test.auc, "logloss": test.logloss})
    for init, rows in found.items():
        aucs, losses = ([row[figure] for row in rows] for figure in ("auc", "logloss"))
        print(
            f"{name} {init}: test AUC {spell(aucs)} ({', '.join(f'{auc:.4f}' for auc in aucs)}), "
            f"logloss {spell(losses)} (95 %, {len(seeds)} splits)",
            flush=True,
        )
    return {"log": name, "starts": found}


def _against_linear(name: str, file: Path, seeds: list[int]) -> dict[str, object]:
    rows = []
    for seed in seeds:
        data = prepare(file, format=name, seed=seed)
        linear = fit_logistic_regression(data)
        outcome = _eulernet(data, seed)
        test = outcome.evaluations["test"]
        rows.append(
            {
                "seed": seed,
                "linear_auc": linear.test.auc,
                "linear_logloss": linear.test.logloss,
                "linear_inverse_l2": linear.inverse_l2,
                "eulernet_auc": test.auc,
                "eulernet_logloss": test.logloss,
                "eulernet_seconds": outcome.result.seconds,
            }
        )
        print(
            f"{name} seed {seed}: logistic regression {linear.test.auc:.4f} / "
            f"{linear.test.logloss:.4f} (C {linear.inverse_l2}), EulerNet {test.auc:.4f} / "
            f"{test.logloss:.4f} in {outcome.result.seconds:.0f} s",
            flush=True,
        )
    for figure in ("auc", "logloss"):
        ours = [float(row[f"eulernet_{figure}"]) for row in rows]
        theirs = [float(row[f"linear_{figure}"]) for row in rows]
        gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
        print(
            f"{name} test {figure}: logistic regression {spell(theirs)}, EulerNet {spell(ours)}, "
            f"difference {spell(gaps)} (95 %, {len(seeds)} splits)"
        )
    return {"log": name, "seeds": rows}
