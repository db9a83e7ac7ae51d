"""``ctrkit demo``: the whole story on generated Criteo-format data."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from ctrkit.cli.arguments import whole_number
from ctrkit.cli.bars import PrepareBar
from ctrkit.cli.console import show
from ctrkit.cli.paths import folder_path
from ctrkit.cli.progress import TrainingBar
from ctrkit.cli.tables import aligned, comparison_table
from ctrkit.data import PreparedData, prepare
from ctrkit.distill import distill_run
from ctrkit.metrics import Metrics
from ctrkit.options import check_positive
from ctrkit.runs import Recipe, Run, train_run
from ctrkit.synthetic import BestScores, best_scores, generate
from ctrkit.training import TrainConfig

FEWEST_ROWS = 1000
"""With fewer, validation and test rows may be of one class only."""


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--out",
        type=folder_path,
        default=Path("demo"),
        metavar="FOLDER",
        help="folder (default: demo)",
    )
    parser.add_argument(
        "--rows",
        type=whole_number,
        default=200_000,
        metavar="N",
        help="rows (default: 200000)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=2021,
        metavar="N",
        help="seed of log and runs (default: 2021)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Generate, prepare, train, evaluate, distil, and score raw rows."""
    out: Path = arguments.out
    rows: int = arguments.rows
    check_positive(rows=rows)
    if rows < FEWEST_ROWS:
        raise ValueError(f"rows must be at least {FEWEST_ROWS}, got {rows}")
    claim_demo(out)
    raw = out / "criteo.txt"

    show(f"1. A Criteo-format log of {rows:,} rows, whose true click probabilities are known")
    log = generate(raw, rows=rows, seed=arguments.seed, probabilities=out / "truth.npy")
    show(f"   {raw}: {log.clicks / rows:.1%} clicks\n")
    data = _prepared(raw, out, rows)
    _train(data, out, arguments.seed)
    _distil(data, out, arguments.seed)
    _predict(raw, out)


def _prepared(raw: Path, out: Path, rows: int) -> PreparedData:
    show("2. ctrkit prepare: split, vocabulary of the training rows, memory-mapped arrays")
    began = time.perf_counter()
    with PrepareBar() as bar:
        data = prepare(
            raw, format="criteo", split="last", out=out / "data", force=True, progress=bar
        )
    show(f"   {data}, {rows / (time.perf_counter() - began):,.0f} rows/s\n")
    return data


def _train(data: PreparedData, out: Path, seed: int) -> None:
    show("3. ctrkit train: EulerNet")
    outcome = train_run(
        data,
        config=TrainConfig(seed=seed),
        out=out / "eulernet",
        observers=[TrainingBar()],
        force=True,
    )
    test = outcome.evaluations["test"]
    # Split "last" keeps the order of the log, so the test rows are its end.
    truth = np.load(out / "truth.npy", mmap_mode="r")[-len(data.test) :]
    best = best_scores(np.asarray(data.test.labels), np.asarray(truth))
    show("\n4. How good is it? On the test rows, which no choice has seen:\n")
    lines = [["", "AUC", "logloss"]]
    found: dict[str, Metrics | BestScores] = {}
    if outcome.baseline is not None and "test" in outcome.baseline.regression:
        found["logistic regression"] = outcome.baseline.regression["test"]
    found |= {"EulerNet": test, "the truth itself": best}
    lines += [[name, f"{m.auc:.4f}", f"{m.logloss:.4f}"] for name, m in found.items()]
    show(aligned(lines))


def _distil(data: PreparedData, out: Path, seed: int) -> None:
    show("\n5. ctrkit distill: a small DAGFM learns EulerNet's logits, then fine-tunes alone")
    distilled = distill_run(
        data,
        teacher=[out / "eulernet"],
        student=Recipe(
            model="dagfm",
            options={"interaction": "outer"},
            train=TrainConfig(seed=seed),
        ),
        out=out / "dagfm",
        observers=lambda: [TrainingBar()],
        say=lambda text: show(f"   {text}"),
        force=True,
    )
    show(f"\n{comparison_table(distilled.comparison, distilled.baseline)}")


def _predict(raw: Path, out: Path) -> None:
    show("\n6. ctrkit predict: click probabilities of raw rows, from the run folder alone")
    sample = out / "new_rows.txt"
    with raw.open(encoding="ascii") as source:
        sample.write_text("".join(line for line, _ in zip(source, range(5), strict=False)))
    scores = np.concatenate(list(Run(out / "dagfm").score_files([sample])))
    show(f"   first rows of the log: {', '.join(f'{p:.3f}' for p in scores)}")
    show(f"\nEverything is in {out}/; the same by hand:")
    show(f"   ctrkit train {raw} --format criteo --out my_run")
    show("   ctrkit distill my_run/data --teacher my_run --student dagfm --out my_student")
    show(f"   ctrkit predict my_student {sample} --out scores.csv")


def claim_demo(out: Path) -> None:
    """Make the demo's folder, or reuse that of an earlier demo.

    Raises:
        FileExistsError: if the folder holds something else.
    """
    mark = out / ".ctrkit-demo"
    if out.exists() and not mark.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"--out {out} must be new, empty or an earlier demo; name another")
    out.mkdir(parents=True, exist_ok=True)
    mark.touch()
