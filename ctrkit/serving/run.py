"""Run: a trained model with the code that encodes its rows, in one folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ctrkit import __version__
from ctrkit.data import Encoder, PreparedData, read_rows
from ctrkit.fields import FieldShape
from ctrkit.files import save_json
from ctrkit.models import MODELS, CTRModel, build_model
from ctrkit.training import Metrics, TrainResult, evaluate, probabilities, score_stream
from ctrkit.training.checkpoint import load_tensors
from ctrkit.training.compute import choose_device
from ctrkit.training.metrics import compute_metrics

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1

CHECKPOINTS = "checkpoints"


class Run:
    """A finished run: scores raw rows, and needs nothing but its folder.

    Args:
        folder: what ``ctrkit train`` wrote.
        device: where to score; ``"auto"`` takes CUDA where there is one.

    Attributes:
        folder: where the run lies.
        config: ``config.json``, the whole recipe.
        metrics: ``metrics.json``, what came of it.
        encoder: raw rows -> ids, with the vocabulary of training.
        model: with its best weights, in eval mode.

    Raises:
        FileNotFoundError: if the folder is no run, or the run did not finish.
        ValueError: if a file is damaged, or of another format version.
    """

    def __init__(self, folder: str | Path, *, device: str = "auto") -> None:
        self.folder = Path(folder)
        self.config: dict[str, Any] = read_json_of_run(self.folder, "config.json")
        self.metrics: dict[str, Any] = read_json_of_run(self.folder, "metrics.json")
        version = self.config.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"run {self.folder} has format version {version!r}, this ctrkit reads "
                f"{FORMAT_VERSION}; train again, or use ctrkit {self.config.get('ctrkit')}"
            )
        self.encoder = Encoder.load(self.folder)
        self.model = self._load_model().to(choose_device(device)).eval()

    def _load_model(self) -> CTRModel:
        described = self.config["model"]
        where = f"{self.folder / 'config.json'}: model"
        fields = [shape_from_json(entry) for entry in described["cardinalities"]]
        model = build_model(described["name"], fields, described["options"], where=where)
        path = self.folder / CHECKPOINTS / "best.pt"
        try:
            model.load_state_dict(load_tensors(path)["model"])
        except (KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{path} must hold the weights of this run's model: {reason}"
            ) from error
        return model

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the click probability ``(N,)`` of raw rows, with or without a label column.

        Raises:
            ValueError: if a column is missing or a value cannot be read.
        """
        if len(frame) == 0:
            return np.empty(0)
        rows = self.encoder.encode(frame)
        return np.concatenate([np.empty(0), *self._probabilities([(rows.ids, rows.values)])])

    def score_files(self, files: list[Path]) -> Iterator[NDArray[np.float64]]:
        """Yield the click probabilities of raw files, in input order, in bounded memory."""
        return self._probabilities(
            (rows.ids, rows.values) for rows in read_rows(files, self.encoder)
        )

    def evaluate_files(self, files: list[Path]) -> Metrics:
        """Return the metrics on raw files that have the label column.

        Raises:
            ValueError: if a file has no labels, or there is only one class.
        """
        labels: list[NDArray[Any]] = []

        def blocks() -> Iterator[Any]:
            for rows in read_rows(files, self.encoder):
                if rows.labels is None:
                    column = self.encoder.schema.label
                    raise ValueError(
                        f"{files[0]} has no label column {column!r}; evaluate needs it"
                    )
                labels.append(rows.labels)
                yield rows.ids, rows.values

        predicted = np.concatenate([np.empty(0), *self._probabilities(blocks())])
        return compute_metrics(np.concatenate([np.empty(0, np.uint8), *labels]), predicted)

    def require_same_encoder(self, data: PreparedData) -> None:
        """Make sure that ids of `data` mean what they meant in training.

        Raises:
            ValueError: if `data` was prepared with another schema or vocabulary.
        """
        trained, given = self.encoder.fingerprint, data.encoder.fingerprint
        if trained != given:
            raise ValueError(
                f"{data.path} was prepared with another schema or vocabulary ({given[:12]}) than "
                f"run {self.folder} ({trained[:12]}); give its raw files, which the run encodes"
            )

    def evaluate_rows(self, rows: Any) -> Metrics:
        """Return the metrics on rows of prepared data."""
        return evaluate(self.model, rows)

    def _probabilities(self, blocks: Any) -> Iterator[NDArray[np.float64]]:
        return map(probabilities, score_stream(self.model, blocks))


def save_run(
    folder: Path,
    *,
    model: CTRModel,
    data: PreparedData,
    result: TrainResult,
    evaluations: Mapping[str, Metrics],
    settings: Mapping[str, Any],
) -> None:
    """Write all of a run but its checkpoints, which the trainer has written.

    ``metrics.json`` is written last: a folder that has it is a finished run.

    Args:
        folder: the run's folder.
        model: the trained model.
        data: what it was trained on; its encoder is copied.
        result: what the trainer returned.
        evaluations: metrics by split, ``valid`` and ``test``.
        settings: the options of the run by section, for ``config.json``.
    """
    name = next(key for key, kind in MODELS.items() if type(model) is kind)
    data.encoder.save(folder)
    result.history.save(folder / "history.csv")
    save_json(
        folder / "config.json",
        {
            "format_version": FORMAT_VERSION,
            "ctrkit": __version__,
            "model": {
                "name": name,
                "options": model.options(),
                "cardinalities": [shape_to_json(entry) for entry in model.cardinalities],
            },
            **settings,
        },
    )
    save_json(
        folder / "metrics.json",
        {
            **{split: metrics.to_dict() for split, metrics in evaluations.items()},
            **result.to_dict(),
        },
    )


def read_json_of_run(folder: Path, name: str) -> Any:
    """Read a JSON file of a run.

    Raises:
        FileNotFoundError: if the folder or the file is not there.
        ValueError: if the file is no JSON object.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"run {folder} is no folder; give what `ctrkit train --out` wrote")
    path = folder / name
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is no finished run: it has no {name}; train it, or give another folder"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON, got a damaged file: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content


def shape_to_json(entry: int | FieldShape) -> Any:
    """Return a field's shape as plain data: a number where that says it all."""
    return vars(entry) if isinstance(entry, FieldShape) else int(entry)


def shape_from_json(entry: Any) -> int | FieldShape:
    """Return what `shape_to_json` was given."""
    return FieldShape(**entry) if isinstance(entry, dict) else int(entry)
