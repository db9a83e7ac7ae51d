"""Recipe: what a run is made of."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from ctrkit import __version__
from ctrkit.data import PreparedData, entry_of
from ctrkit.fields import FieldShape
from ctrkit.models import (
    MODELS,
    CTRModel,
    blueprint,
    build_model,
    class_named,
    class_of,
    model_options,
    name_of,
)
from ctrkit.options import from_mapping, printable, shortened, shown, to_mapping
from ctrkit.runs.folder import CONFIG, FORMAT_VERSION, read_json
from ctrkit.runs.space import check_fits_memory
from ctrkit.training import CHECKPOINT_OPTIONS, TrainConfig

WHERE = "model options"
"""Where options come from that are no file's, for messages."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a run is made of: on the same rows, it gives the same run.

    `on` binds it to prepared rows. A bound recipe is what ``config.json`` records.

    Args:
        model: a key of `ctrkit.models.MODELS`, or a class of your own.
        options: keywords of the model; bound to rows, all of them.
        train: options of the training.
        fields: fields of the data, in column order.
        data: the description of the prepared data, and its path.
        distill: how the model is distilled; empty for plain training.
        versions: of Python and the libraries.

    Example:
        >>> recipe = Recipe(model="dagfm", options={"num_layers": 3})
        >>> recipe.train.batch_size == TrainConfig().batch_size
        True
    """

    model: str | type[CTRModel] = "eulernet"
    options: Mapping[str, Any] = field(default_factory=dict)
    train: TrainConfig = field(default_factory=TrainConfig)
    fields: tuple[int | FieldShape, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    distill: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def on(self, data: PreparedData) -> Recipe:
        """Return the recipe for these rows, with every option of the model.

        Raises:
            ValueError: if the model is unknown or refuses an option.
            TypeError: if an option has the wrong type.
        """
        bound = replace(
            self,
            fields=tuple(data.cardinalities),
            data={**data.info, "path": str(data.path)},
            versions=versions(),
        )
        options = bound.blueprint().options()
        # Refused before it is trained: what could not be opened again.
        from_mapping(model_options(self.model), options, where=WHERE)
        return replace(bound, options=options)

    def blueprint(self) -> CTRModel:
        """Return the model without its numbers; see `ctrkit.models.blueprint`."""
        return blueprint(self.model, self.fields, self.options, where=WHERE)

    def new_model(self) -> CTRModel:
        """Return a new model; the seed alone decides its initial weights.

        Raises:
            ValueError: if its weights do not fit the memory of this machine.
        """
        check_fits_memory(self.model, self.fields, self.options)
        torch.manual_seed(self.train.seed)
        return build_model(self.model, self.fields, self.options, where=WHERE)

    def to_config(self) -> dict[str, Any]:
        """Return the content of ``config.json``, all but the command."""
        return {**self._compared(), "data": dict(self.data), "versions": dict(self.versions)}

    @classmethod
    def of_model(
        cls, config: Mapping[str, Any], own: Iterable[type[CTRModel]] = (), *, where: Path
    ) -> Self:
        """Return the model's part of the content of a ``config.json``.

        Args:
            config: the content.
            own: classes of your own that it may name.
            where: the file, for messages.

        Raises:
            ValueError: if it is not there, damaged, or names a class that was not handed over.
        """
        entries = entry_of(config, "model", "cardinalities", where=where, kind=list)
        name = entry_of(config, "model", "name", where=where, kind=str)
        options = entry_of(config, "model", "options", where=where, kind=dict)
        try:
            fields = tuple(_shape_from_json(entry) for entry in entries)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} must describe the model of this run: {error}") from error
        kind = class_named(name, own, where=str(where))
        return cls(model=kind, options=options, fields=fields)

    @classmethod
    def read(cls, folder: Path, own: Iterable[type[CTRModel]] = ()) -> Self:
        """Return the recipe of a run; `own` are classes of your own that it may name.

        Raises:
            FileNotFoundError: if the folder is no run.
            ValueError: if it is damaged.
        """
        config, where = read_json(folder, CONFIG), folder / CONFIG
        train = entry_of(config, "train", where=where, kind=dict)
        entry_of(config, "data", "options", where=where, kind=dict)
        try:
            options = from_mapping(TrainConfig, train, where="train")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} must describe the training: {error}") from error
        return replace(
            cls.of_model(config, own, where=where),
            train=options,
            data=config["data"],
            distill=config.get("distill", {}),
            versions=entry_of(config, "versions", where=where, kind=dict),
        )

    def difference(self, config: Mapping[str, Any]) -> str | None:
        """Return where a ``config.json`` differs from this recipe, None if both give the same run.

        Options that do not change what a run learns may differ.
        """
        rows = config.get("data")
        if not isinstance(rows, dict) or rows.get("fingerprint") != self.data["fingerprint"]:
            return f"other rows than those of {self.data['path']}"
        wanted = json.loads(json.dumps(self._compared()))
        for section, ours in wanted.items():
            theirs = config.get(section)
            if not isinstance(ours, dict) or not isinstance(theirs, dict):
                if theirs != ours:
                    return f"{section} {shown(theirs)}, not {shown(ours)}"
                continue
            # A run before there was an option had what is now its default.
            if section == "train":
                theirs = {**to_mapping(TrainConfig()), **theirs}
            elif section == "model":
                theirs = _with_defaults(theirs, self.model)
            for name in [*ours, *(theirs.keys() - ours.keys())]:
                if theirs.get(name) != ours.get(name) and name not in CHECKPOINT_OPTIONS:
                    values = f"{shown(theirs.get(name))}, not {shown(ours.get(name))}"
                    return f"{section} {printable(shortened(name))} {values}"
        return None

    def _compared(self) -> dict[str, Any]:
        """Return the sections of ``config.json`` that are compared as they stand."""
        return {
            "format_version": FORMAT_VERSION,
            "ctrkit": __version__,
            "model": {
                "name": name_of(self.model),
                "options": dict(self.options),
                "cardinalities": [_shape_to_json(entry) for entry in self.fields],
            },
            "train": to_mapping(self.train),
            **({"distill": dict(self.distill)} if self.distill else {}),
        }


def _with_defaults(model: Mapping[str, Any], kind: str | type[CTRModel]) -> dict[str, Any]:
    """Return a recorded model of this class with the options that came after it was recorded."""
    options = model.get("options")
    if model.get("name") != name_of(kind) or not isinstance(options, dict):
        return dict(model)
    known = to_mapping(model_options(kind)())
    defaults = known if class_of(kind) in MODELS.values() else {}
    if known.get("linear", "vectors") in (None, False):
        defaults["linear"] = False  # no model but xDeepFM had a linear part
    return {**model, "options": {**defaults, **options}}


def versions() -> dict[str, str]:
    """Return the versions that figures may depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
    }


def _shape_to_json(entry: int | FieldShape) -> Any:
    """Return a field's shape as plain data: a number if that suffices."""
    return entry.to_mapping() if isinstance(entry, FieldShape) else int(entry)


def _shape_from_json(entry: Any) -> int | FieldShape:
    """Return what `_shape_to_json` was given.

    Raises:
        TypeError, ValueError: if `entry` is nothing that it returns.
    """
    shape = from_mapping(
        FieldShape, entry if isinstance(entry, dict) else {"cardinality": entry}, where="a field"
    )
    return shape if isinstance(entry, dict) else shape.cardinality
