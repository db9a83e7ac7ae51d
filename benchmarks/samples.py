"""EulerNet as `ctrkit train` trains it, and a tuned logistic regression, on the same splits.

Every seed is a split of its own, so the paired difference is what the seeds' spread says least of.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.harness import machine, save
from benchmarks.linear import fit_logistic_regression
from benchmarks.statistics import spell
from ctrkit.data import prepare
from ctrkit.serving.experiment import train_run
from ctrkit.training import TrainConfig

FILES = {"criteo": "criteo/criteo_100k.txt.gz", "avazu": "avazu/avazu_23k.csv.gz"}


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with criteo/ and avazu/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", choices=FILES)
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    print(machine())
    results = []
    for name, file in FILES.items():
        if arguments.only in (None, name):
            results.append(_one(name, arguments.data / file, arguments.seeds))
    save("samples" if arguments.only is None else f"samples_{arguments.only}", results)


def _one(name: str, file: Path, seeds: list[int]) -> dict[str, object]:
    rows = []
    for seed in seeds:
        data = prepare(file, format=name, seed=seed)
        linear = fit_logistic_regression(data)
        with tempfile.TemporaryDirectory() as folder:
            outcome = train_run(
                data,
                model="eulernet",
                model_options={},
                config=TrainConfig(seed=seed),
                out=Path(folder),
            )
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
