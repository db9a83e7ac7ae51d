"""EulerNet on Frappe_x1 (train negatives re-sampled), with the published settings."""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from pathlib import Path

from benchmarks.harness import add_threads, begin, save
from benchmarks.statistics import spell
from ctrkit.data import prepare
from ctrkit.runs import train_run
from ctrkit.training import TrainConfig

SETTINGS = Path(__file__).parents[1] / "configs/frappe_x1/eulernet.toml"


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with frappe/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2021, 2022, 2023])
    parser.add_argument("--implicit-init", nargs="+", help="starts to compare (default: config's)")
    parser.add_argument("--order-init", nargs="+", help="starts to compare (default: config's)")
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    settings = tomllib.loads(SETTINGS.read_text())
    model = settings["model"]
    model.pop("name")
    parts = {part: arguments.data / f"frappe/{part}.csv.gz" for part in ("train", "valid", "test")}
    data = prepare(parts["train"], valid=parts["valid"], test=parts["test"], **settings["data"])
    for implicit in arguments.implicit_init or [model.get("implicit_init")]:
        for orders in arguments.order_init or [model.get("order_init")]:
            starts = {"implicit_init": implicit, "order_init": orders}
            options = {**model, **{name: v for name, v in starts.items() if v is not None}}
            rows = [_one(data, options, settings["train"], seed) for seed in arguments.seeds]
            print(
                f"{starts}: test AUC {spell([r['auc'] for r in rows], 5)}, "
                f"logloss {spell([r['logloss'] for r in rows])} (95 %, {len(rows)} seeds)"
            )
            name = f"frappe_{options['implicit_init']}_{options['order_init']}"
            save(name, [{"options": options, "seeds": rows}])


def _one(data, model: dict, train: dict, seed: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        outcome = train_run(
            data,
            model="eulernet",
            model_options=model,
            config=TrainConfig(**{**train, "seed": seed}),
            out=Path(folder),
        )
    test = outcome.evaluations["test"]
    row = {
        "seed": seed,
        "auc": test.auc,
        "logloss": test.logloss,
        "valid_auc": outcome.evaluations["valid"].auc,
        "epochs": outcome.result.epochs,
        "seconds": outcome.result.seconds,
    }
    print({name: round(value, 5) for name, value in row.items()}, flush=True)
    return row
