"""Teacher, student alone, distilled and fine-tuned on the public samples, over seeds."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.harness import add_threads, begin, save
from benchmarks.statistics import spell
from ctrkit.data import PreparedData, prepare
from ctrkit.distill import DistillConfig, distill_run
from ctrkit.distill.config import SELECTIONS
from ctrkit.runs import Recipe
from ctrkit.training import TrainConfig

Options = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A teacher and its student, as in the paper."""

    teacher: str
    student: Options
    teacher_options: Options = field(default_factory=dict)
    teacher_train: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A public sample: its files, what all its models share, and the pairs."""

    files: dict[str, str]
    prepare: Options
    model: Options
    train: Options
    pairs: tuple[Pair, ...]
    distill: Options = field(default_factory=dict)


FRAPPE_TRAIN = {
    "epochs": 60,
    "batch_size": 4096,
    "learning_rate": 1e-3,
    "schedule": "plateau",
    "warmup_steps": 0,
    "validations_per_epoch": 1,
    "plateau_patience": 2,
    "patience": 3,
    "min_gain": 0.0,  # as measured, before there was such a thing
    "table_l2": 1e-3,
}
PAIRS = (
    Pair("crossnet", {"interaction": "outer", "depth": 3}),
    Pair("cin", {"interaction": "inner", "depth": 3}),
)
# CINs smaller than the paper's [200] * 3, which takes four to ten times as long to train.
SMALL_CIN = {"num_maps": [100, 100, 100]}
TINY_CIN = {"num_maps": [64, 64, 64]}
SAMPLES = {
    "frappe": Sample(
        {part: f"frappe/{part}.csv.gz" for part in ("train", "valid", "test")},
        {"format": "csv", "min_count": 1},
        {"embedding_dim": 10},
        FRAPPE_TRAIN,
        (PAIRS[0], replace(PAIRS[1], teacher_options=TINY_CIN)),
        {"distill_epochs": 40},
    ),
    "criteo": Sample(
        {"train": "criteo/criteo_100k.txt.gz"},
        {"format": "criteo"},
        {},
        {"table_l2": 1e-3},
        (PAIRS[0], replace(PAIRS[1], teacher_options=TINY_CIN, teacher_train={"epochs": 3})),
    ),
    "avazu": Sample(
        {"train": "avazu/avazu_23k.csv.gz"},
        {"format": "avazu"},
        {},
        {"table_l2": 1e-4, "epochs": 8},
        (PAIRS[0], replace(PAIRS[1], teacher_options=SMALL_CIN, teacher_train={"epochs": 4})),
    ),
}
FIGURES = ("auc", "logloss")


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with frappe/ and others")
    parser.add_argument("--on", choices=SAMPLES, required=True)
    parser.add_argument("--teacher", choices=[pair.teacher for pair in PAIRS])
    parser.add_argument("--select-by", choices=SELECTIONS, help="what chooses (default: config's)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2021, 2022, 2023])
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    sample = SAMPLES[arguments.on]
    if arguments.select_by:
        sample = replace(sample, distill={**sample.distill, "select_by": arguments.select_by})
    results = []
    for pair in sample.pairs:
        if arguments.teacher not in (None, pair.teacher):
            continue
        found = [_one(sample, pair, arguments.data, seed) for seed in arguments.seeds]
        results.append({"teacher": pair.teacher, "student": pair.student, "seeds": found})
        for name in found[0]["models"]:
            figures = (
                f"{figure} {spell([row['models'][name][figure] for row in found], 5)}"
                for figure in FIGURES
            )
            print(f"{arguments.on} {pair.teacher} {name}: {', '.join(figures)}", flush=True)
    name = ["distillation", arguments.on, arguments.teacher, arguments.select_by]
    save("_".join(part for part in name if part), results)


def _one(sample: Sample, pair: Pair, folder: Path, seed: int) -> Options:
    data = _prepared(sample, folder, seed)
    train = TrainConfig(**sample.train, seed=seed)
    teacher_train = TrainConfig(**{**sample.train, **pair.teacher_train}, seed=seed)
    with tempfile.TemporaryDirectory() as out:
        outcome = distill_run(
            data,
            teacher=Recipe(
                model=pair.teacher,
                options={**sample.model, **pair.teacher_options},
                train=teacher_train,
            ),
            student=Recipe(model="dagfm", options={**sample.model, **pair.student}, train=train),
            config=DistillConfig(**sample.distill),
            out=Path(out) / "student",
            say=lambda text: print(f"seed {seed}: {text}", flush=True),
        )
    models = {model.name: model.to_dict() for model in outcome.comparison}
    for name, figures in models.items():
        print(f"  {name}: {figures['auc']:.5f} / {figures['logloss']:.4f}", flush=True)
    return {"seed": seed, "models": models}


def _prepared(sample: Sample, folder: Path, seed: int) -> PreparedData:
    files = {part: folder / name for part, name in sample.files.items()}
    return prepare(files.pop("train"), **files, **sample.prepare, seed=seed)
