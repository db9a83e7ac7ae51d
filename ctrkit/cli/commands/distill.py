"""``ctrkit distill``: a teacher and prepared data or raw log -> a trained student."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ctrkit.cli.arguments import COMMON, Parser, add_options, collect, read_settings
from ctrkit.cli.baseline import add_baseline, say_hints
from ctrkit.cli.console import say, show
from ctrkit.cli.inputs import add_raw_files, prepared_or_raw
from ctrkit.cli.models import MODEL_NAMES, add_model_options, chosen_model, refuse_early
from ctrkit.cli.own_code import add_allow_code, allowed_models, import_model
from ctrkit.cli.paths import check_folder, folder_path, path
from ctrkit.cli.progress import TrainingBar
from ctrkit.cli.resume import add_resume
from ctrkit.cli.tables import comparison_table
from ctrkit.data import PrepareConfig
from ctrkit.distill import PHASES, DistillConfig, distill_run, phase_folder
from ctrkit.models import MODELS, CTRModel, model_options
from ctrkit.options import check_choice, from_mapping
from ctrkit.runs import DATA, METRICS, Recipe, claim, read_json
from ctrkit.training import TrainConfig

DEFAULT_STUDENT = "dagfm"


def add_to(parser: Parser) -> None:
    """Add the command's arguments."""
    parser.usage = "%(prog)s DATA|FILE ... --teacher RUN|NAME --out RUN [--student NAME] [options]"
    parser.add_argument(
        "inputs", type=path, nargs="+", metavar="DATA|FILE", help="prepared folder, or raw files"
    )
    parser.add_argument(
        "--teacher",
        action="append",
        required=True,
        metavar="RUN|NAME",
        help="a finished run, or a model to train first; several runs are an ensemble",
    )
    parser.add_argument(
        "--student", metavar="NAME", help=f"{MODEL_NAMES} (default: {DEFAULT_STUDENT})"
    )
    parser.add_argument(
        "--out", type=folder_path, required=True, metavar="RUN", help="folder to write"
    )
    parser.add_argument(
        "--config", type=path, metavar="FILE", help="TOML settings of the student; flags override"
    )
    parser.add_argument(
        "--teacher-config", type=path, metavar="FILE", help="TOML settings of a teacher to train"
    )
    parser.add_argument(
        "--alone",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train the student without a teacher too, to compare (default: true)",
    )
    parser.add_argument(
        "--restart",
        choices=PHASES,
        help="repeat this phase and those built on it (default: keep finished ones)",
    )
    add_baseline(parser)
    add_resume(parser)
    add_allow_code(parser)
    add_options(parser, "distillation", DistillConfig, common=COMMON)
    add_options(parser, "training", TrainConfig, common=COMMON)
    add_raw_files(parser)
    note = ", a teacher's options go into --teacher-config"
    add_model_options(parser, "--student", DEFAULT_STUDENT, note)


def run(arguments: argparse.Namespace) -> None:
    """Train or take the teacher, distil, fine-tune, and print the table."""
    settings = read_settings(arguments.config, ["model", "train", "distill", "data"])
    kind = chosen_model(arguments, settings)
    sections = {
        "model": model_options(kind),
        "train": TrainConfig,
        "distill": DistillConfig,
        "data": PrepareConfig,
    }
    options = collect(sections, arguments, settings)
    student = Recipe(model=kind, options=vars(options["model"]), train=options["train"])
    teacher = teacher_of(arguments, student.train)
    for recipe in (student, teacher):
        if isinstance(recipe, Recipe):
            refuse_early(recipe.model, recipe.options, recipe.train)
    out: Path = arguments.out
    check_folder("--out", out)
    check_folder("--out", phase_folder(out))
    claim(out, force=True)
    data = prepared_or_raw(
        arguments,
        options["data"],
        settings.get("data", {}),
        phase_folder(out) / DATA,
    )
    say(str(data))
    outcome = distill_run(
        data,
        teacher=teacher,
        student=student,
        config=options["distill"],
        out=out,
        models=allowed_models(arguments),
        alone=arguments.alone,
        restart=arguments.restart,
        observers=lambda: [TrainingBar()],
        say=say,
        command=arguments.command_line,
        force=options["data"].force,
        resume=arguments.resume,
        check_space=options["data"].check_space,
        baseline=arguments.baseline,
    )
    say(f"on the {outcome.part} rows:")
    show(comparison_table(outcome.comparison, outcome.baseline, outcome.part))
    say_hints(outcome.hints)
    say(f"run written to {out}")


def teacher_of(arguments: argparse.Namespace, train: TrainConfig) -> Recipe | Sequence[str | Path]:
    """Return the runs that were named, or the model to train; a folder is a run.

    Raises:
        FileNotFoundError: if a teacher is neither a finished run nor a model.
        ValueError: if a settings file is given for a finished run.
    """
    named: list[str] = arguments.teacher
    is_new = len(named) == 1 and not Path(named[0]).is_dir()
    if not is_new:
        for name in named:
            if not Path(name).is_dir():
                raise FileNotFoundError(
                    f"--teacher {name} must be the folder of a finished run, got none such; "
                    "only a single teacher can be trained here, by the name of its model"
                )
            read_json(Path(name), METRICS)
        if arguments.teacher_config is not None:
            raise ValueError(
                f"--teacher-config is for a teacher to train, {named[0]} is trained already"
            )
        return named
    kind: str | type[CTRModel] = named[0]
    if ":" in named[0]:
        kind = import_model(named[0], "--teacher")
    elif named[0] not in MODELS and len(Path(named[0]).parts) > 1:
        raise FileNotFoundError(f"--teacher {named[0]}: there is no such folder of a run")
    else:
        check_choice("teacher", named[0], MODELS)
    if arguments.teacher_config is None:
        return Recipe(model=kind, train=train)
    settings = read_settings(arguments.teacher_config, ["model", "train"])
    model = settings.get("model", {})
    if model.pop("name", named[0]) != named[0]:
        raise ValueError(
            f"{arguments.teacher_config} must be settings for --teacher {named[0]}, "
            "got those of another model"
        )
    # Seed and device are those of the student, unless the file has its own.
    shared = {"seed": train.seed, "device": train.device}
    return Recipe(
        model=kind,
        options=model,
        train=from_mapping(
            TrainConfig,
            {**shared, **settings.get("train", {})},
            where=f"{arguments.teacher_config} [train]",
        ),
    )
