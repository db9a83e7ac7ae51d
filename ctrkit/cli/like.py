"""``--like RUN``: the settings and rows of an earlier run, to train it again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctrkit.cli.console import say
from ctrkit.cli.inputs import is_prepared
from ctrkit.data import PreparedData
from ctrkit.serving.experiment import versions
from ctrkit.serving.folder import CONFIG, DATA, METRICS, read_json
from ctrkit.training import Metrics


class Like:
    """An earlier run, as the example of a new one.

    Args:
        run: its folder.

    Raises:
        FileNotFoundError: if the folder is no finished run.
        ValueError: if it is damaged, or a student that was distilled.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.config = read_json(run, CONFIG)
        self.metrics = read_json(run, METRICS)
        if "distill" in self.config:
            raise ValueError(
                f"--like {run} must be a run of ctrkit train, got a distilled student; "
                "repeat it with the command in its config.json"
            )
        for name in ("model", "train", "data", "versions"):
            if not isinstance(self.config.get(name), dict):
                raise ValueError(f"{run / CONFIG} is damaged: it has no section {name!r}")

    def settings(self, inputs: list[Path]) -> dict[str, dict[str, Any]]:
        """Return the sections of a settings file that describe the run on these inputs."""
        model = self.config["model"]
        sections = {
            "model": {"name": model.get("name"), **model.get("options", {})},
            "train": self.config["train"],
        }
        if not is_prepared(inputs):
            sections["data"] = dict(self.config["data"].get("options", {}))
        return sections

    def data_folder(self) -> Path:
        """Return where the run's rows lie.

        Raises:
            FileNotFoundError: if they are gone.
        """
        places = [self.run / DATA, Path(str(self.config["data"].get("path")))]
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            raise FileNotFoundError(
                f"the rows of {self.run} are not in {' or '.join(map(str, places))} any more; "
                "give the prepared folder or the raw files"
            )
        return found

    def say_differences(self, data: PreparedData) -> None:
        """Say, before the run, why it may end otherwise."""
        if self.config["data"].get("fingerprint") != data.info["fingerprint"]:
            say(f"{data.path} has other rows than {self.run} was trained on")
        for name, version in versions().items():
            had = self.config["versions"].get(name)
            if had != version:
                say(f"{self.run} was trained with {name} {had}, this is {version}")

    def say_outcome(self, evaluations: Mapping[str, Metrics]) -> None:
        """Say, after the run, whether it has the same figures."""
        differing = [
            f"{part} {name} {figure!r}, not {self.metrics[part].get(name)!r}"
            for part, metrics in evaluations.items()
            for name, figure in metrics.to_dict().items()
            if part in self.metrics and self.metrics[part].get(name) != figure
        ]
        same = f"the figures of {self.run}, digit for digit"
        say("; ".join(differing) if differing else same)


def like_of(arguments: argparse.Namespace) -> Like | None:
    """Return the run that ``--like`` names, and take its rows where no others are given.

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
        raise ValueError("--like takes all settings of a run: leave --config away, flags win")
    like = Like(arguments.like)
    arguments.inputs = arguments.inputs or [like.data_folder()]
    arguments.config = like.run / CONFIG  # what messages about the settings name
    return like
