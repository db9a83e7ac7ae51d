"""``--like RUN``: the settings and rows of an earlier run, to train it again."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ctrkit.cli.console import say
from ctrkit.cli.inputs import is_prepared
from ctrkit.cli.own_code import allowed_models
from ctrkit.data import PreparedData
from ctrkit.files import part_of
from ctrkit.metrics import Metrics
from ctrkit.models import CTRModel, name_of
from ctrkit.options import shown, to_mapping
from ctrkit.runs import CONFIG, DATA, METRICS, Recipe, read_json, versions


class Like:
    """An earlier run that a new one repeats.

    Args:
        run: its folder.
        own: classes of your own that it may be made with.

    Raises:
        FileNotFoundError: if the folder is no finished run.
        ValueError: if it is damaged, or a student that was distilled.
    """

    def __init__(self, run: Path, own: Iterable[type[CTRModel]] = ()) -> None:
        self.run = run
        self.recipe = Recipe.read(run, own)
        self.metrics = read_json(run, METRICS)
        if self.recipe.distill:
            raise ValueError(
                f"--like {run} must be a run of ctrkit train, got a distilled student; "
                "repeat it with the command in its config.json"
            )

    def settings(self, inputs: list[Path]) -> dict[str, dict[str, Any]]:
        """Return the sections of a settings file that describe the run on these inputs."""
        sections = {
            "model": {"name": name_of(self.recipe.model), **self.recipe.options},
            "train": to_mapping(self.recipe.train),
        }
        if not is_prepared(inputs):
            sections["data"] = dict(self.recipe.data["options"])
        return sections

    def data_folder(self) -> Path:
        """Return the folder of the run's rows, in the run itself: no path in its files is followed.

        Raises:
            FileNotFoundError: if they are elsewhere.
            ValueError: if a link leads out of the run.
        """
        folder = part_of(self.run, DATA)
        if folder.is_dir():
            return folder
        path = shown(self.recipe.data.get("path"))
        raise FileNotFoundError(
            f"{self.run} does not hold its rows, which were in {path}; "
            f"give the prepared folder, or the raw files: ctrkit train DATA --like {self.run}"
        )

    def say_differences(self, data: PreparedData) -> None:
        """Say, before the run, why its result may differ."""
        if self.recipe.data.get("fingerprint") != data.info["fingerprint"]:
            say(f"{data.path} has other rows than {self.run} was trained on")
        for name, version in versions().items():
            had = self.recipe.versions.get(name)
            if had != version:
                say(f"{self.run} was trained with {name} {had}, this is {version}")

    def say_outcome(self, evaluations: Mapping[str, Metrics]) -> None:
        """Say, after the run, whether it has the same figures."""
        differing = []
        for part, metrics in evaluations.items():
            had = self.metrics.get(part)
            if isinstance(had, dict):
                differing += [
                    f"{part} {name} {figure!r}, not {shown(had.get(name))}"
                    for name, figure in metrics.to_dict().items()
                    if name in had and had[name] != figure
                ]
        same = f"the figures of {self.run}, digit for digit"
        say("; ".join(differing) if differing else same)


def like_of(arguments: argparse.Namespace) -> Like | None:
    """Return the run that ``--like`` names, and use its rows unless others are given.

    Raises:
        ValueError: if there are neither rows nor such a run, or a settings file as well.
    """
    if arguments.like is None:
        if not arguments.inputs:
            raise ValueError(
                "give a prepared folder or raw files, or --like RUN for those of a run"
            )
        return None
    if arguments.config is not None:
        raise ValueError("--like takes all settings of a run: drop --config, flags override them")
    like = Like(arguments.like, allowed_models(arguments))
    arguments.inputs = arguments.inputs or [like.data_folder()]
    arguments.config = like.run / CONFIG  # what messages about the settings name
    return like
