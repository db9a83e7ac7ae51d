"""``ctrkit train``: prepared data or raw log -> trained model."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ctrkit.cli.arguments import COMMON, Parser, add_options, collect, given, read_settings
from ctrkit.cli.baseline import add_baseline, say_hints
from ctrkit.cli.console import say, show
from ctrkit.cli.inputs import add_raw_files, prepared_or_raw
from ctrkit.cli.like import like_of
from ctrkit.cli.models import MODEL_NAMES, add_model_options, chosen_model, refuse_early
from ctrkit.cli.own_code import add_allow_code
from ctrkit.cli.paths import check_folder, folder_path, path
from ctrkit.cli.progress import TrainingBar
from ctrkit.cli.resume import add_resume, says_finished
from ctrkit.cli.tables import outcome_table
from ctrkit.data import PrepareConfig
from ctrkit.models import model_options
from ctrkit.runs import DATA, claim, train_run
from ctrkit.training import Observer, TensorBoardWriter, TrainConfig

DEFAULT_MODEL = "eulernet"


def add_to(parser: Parser) -> None:
    """Add the command's arguments."""
    parser.usage = "%(prog)s [DATA|FILE ...] --out RUN [--model NAME] [options]"
    parser.add_argument(
        "inputs", type=path, nargs="*", metavar="DATA|FILE", help="prepared folder, or raw files"
    )
    parser.add_argument(
        "--out", type=folder_path, required=True, metavar="RUN", help="folder to write"
    )
    parser.add_argument("--model", metavar="NAME", help=f"{MODEL_NAMES} (default: {DEFAULT_MODEL})")
    parser.add_argument("--config", type=path, metavar="FILE", help="TOML settings; flags override")
    parser.add_argument(
        "--like",
        type=path,
        metavar="RUN",
        help="repeat a run with its settings and rows; flags and inputs override",
    )
    add_resume(parser)
    add_allow_code(parser)
    parser.add_argument("--tensorboard", action="store_true", help="also write RUN/tensorboard")
    add_baseline(parser)
    add_options(parser, "training", TrainConfig, common=COMMON)
    add_raw_files(parser)
    add_model_options(parser, "--model", DEFAULT_MODEL)


def run(arguments: argparse.Namespace) -> None:
    """Train, evaluate on the test rows once, and write the run."""
    like = like_of(arguments)
    if like is None:
        settings = read_settings(arguments.config, ["model", "train", "data"])
    else:
        settings = like.settings(arguments.inputs)
    model = chosen_model(arguments, settings)
    sections = {"model": model_options(model), "train": TrainConfig, "data": PrepareConfig}
    options = collect(sections, arguments, settings)
    out: Path = arguments.out
    check_folder("--out", out)
    force = options["data"].force
    asked = {"train": given(arguments, [field.name for field in dataclasses.fields(TrainConfig)])}
    if arguments.resume and says_finished(out, asked):
        return
    refuse_early(model, vars(options["model"]), options["train"])
    claim(out, force=force, resume=arguments.resume)
    data = prepared_or_raw(arguments, options["data"], settings.get("data", {}), out / DATA)
    say(str(data))
    if like is not None:
        like.say_differences(data)
    observers: list[Observer] = [TrainingBar()]
    if arguments.tensorboard:
        observers.append(TensorBoardWriter(out / "tensorboard"))
    outcome = train_run(
        data,
        model=model,
        model_options=vars(options["model"]),
        config=options["train"],
        out=out,
        observers=observers,
        command=arguments.command_line,
        force=force,
        resume=arguments.resume,
        check_space=options["data"].check_space,
        baseline=arguments.baseline,
        say=say,
    )
    say(f"{outcome.result.stopped} after {outcome.result.seconds:.0f} s")
    show(outcome_table(outcome))
    say_hints(outcome.hints)
    if like is not None:
        like.say_outcome(outcome.evaluations)
    say(f"run written to {out}")
