"""Run: a trained model with the encoder of its rows, in one folder."""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctrkit.data import (
    Dataset,
    Encoder,
    PreparedData,
    Rows,
    SkippedRows,
    check_frame,
    needed_columns,
    read_rows,
)
from ctrkit.files import part_of
from ctrkit.machine import choose_device
from ctrkit.metrics import Metrics, compute_metrics
from ctrkit.models import CTRModel, blueprint, build_model
from ctrkit.options import shown
from ctrkit.runs.finite import check_finite_weights, finite, measure
from ctrkit.runs.folder import (
    CHECKPOINTS,
    CONFIG,
    FORMAT_VERSION,
    METRICS,
    read_json,
)
from ctrkit.runs.recipe import Recipe
from ctrkit.runs.skipped_scores import SkippedScores
from ctrkit.runs.space import SCORED_ROW_BYTES, check_scoring, table_bytes
from ctrkit.training import load_weights, probabilities, score_stream


class Run:
    """A finished run: scores raw rows, and needs nothing but its folder.

    Scores are float32 logits made probabilities in float64; on the same device the same rows in
    the same order get the same bits, whether they come from a file or from prepared data.

    Args:
        folder: what ``ctrkit train`` or `train_run` wrote.
        device: where to score; ``"auto"`` takes CUDA if there is one.
        check_space: refuse jobs that would not fit in memory.
        models: classes of your own, for a run that was made with one of them. No code is loaded
            because a file of the run names it.

    Attributes:
        folder: where the run lies.
        config: ``config.json``, the whole recipe.
        metrics: ``metrics.json``, its results.
        encoder: raw rows -> ids, with the vocabulary of training.
        model: with its best weights, in eval mode.

    Raises:
        SpaceError: if its table needs more memory than is free.
        FileNotFoundError: if the folder is no run, or the run did not finish.
        ValueError: if a file is damaged, of another run, or of another format version, a weight
            is not finite, or the model is a class that was not handed over.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        device: str = "auto",
        check_space: bool = True,
        models: Iterable[type[CTRModel]] = (),
    ) -> None:
        self.folder = Path(folder)
        self.config = read_json(self.folder, CONFIG)
        self.metrics = read_json(self.folder, METRICS)
        version = self.config.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"run {self.folder} has format version {shown(version)}, this ctrkit reads "
                f"{FORMAT_VERSION}; train again, or use ctrkit {shown(self.config.get('ctrkit'))}"
            )
        self.encoder = Encoder.load(self.folder)
        self._check_space = check_space
        self.model = self._load_model(models).to(choose_device(device)).eval()

    def _load_model(self, own: Iterable[type[CTRModel]]) -> CTRModel:
        where = self.folder / CONFIG
        recipe = Recipe.of_model(self.config, own, where=where)
        try:
            if recipe.fields != tuple(self.encoder.cardinalities):
                raise ValueError("its fields must be those of the schema beside it")
            planned = blueprint(recipe.model, recipe.fields, recipe.options, where="model")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} must describe the model of this run: {error}") from error
        if self._check_space:
            check_scoring(f"scoring with run {self.folder}", table_bytes(planned))
        path = part_of(self.folder, CHECKPOINTS, "best.pt")
        if not path.exists():
            raise FileNotFoundError(f"{self.folder} is incomplete: it has no {path.name}")
        # Before the model is built: the file must hold what a stranger's options ask for.
        weights = load_weights(path, planned)
        model = build_model(recipe.model, recipe.fields, recipe.options, where=f"{where}: model")
        model.load_state_dict(weights)
        check_finite_weights(path, model)
        return model

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the click probability ``(N,)`` of raw rows, with or without a label column.

        Raises:
            ValueError: if a column is missing or a value cannot be read.
            FloatingPointError: if a score is not finite, naming the row.
            TypeError: if it is no DataFrame.
        """
        check_frame(frame)
        if len(frame) == 0:
            return np.empty(0)
        chunks = read_rows(frame, self.encoder, label="ignore")
        return np.concatenate(list(self._scored(chunks)))

    def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Return the click probability ``(N,)`` of raw rows, each a mapping of columns to values.

        None is a missing value. Columns that the model does not know are ignored.

        Raises:
            TypeError: if a row is no mapping.
            ValueError: if a column is missing or a value cannot be read.
            FloatingPointError: if a score is not finite, naming the row.
        """
        columns = needed_columns(self.encoder.schema)
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise TypeError(
                    "rows must be mappings of columns to values, "
                    f"got a {type(row).__name__} as row {number}"
                )
            for name in columns:
                if name not in row:
                    raise ValueError(f"row {number} must have column {shown(name)}, got none")
        # As objects: a missing value would make floats of whole numbers.
        cells = {name: pd.Series([row[name] for row in rows], dtype=object) for name in columns}
        return self.score(pd.DataFrame(cells))

    def score_files(
        self,
        files: list[Path],
        *,
        num_workers: int | None = None,
        skipped: SkippedRows | None = None,
    ) -> Generator[NDArray[np.float64], None, None]:
        """Yield the click probabilities of raw files, in input order, in bounded memory.

        Args:
            files: the files, written as the schema says.
            num_workers: threads that encode, and threads that score on a processor; None for one
                per processor. No bit depends on it.
            skipped: takes the rows that cannot be read, which then score NaN; None to raise an
                error.

        Raises:
            FileNotFoundError: if a file does not exist.
            ValueError: if a row cannot be read, naming file, line and column.
            FloatingPointError: if a score is not finite, naming the row.
        """
        read = functools.partial(
            read_rows, files, self.encoder, label="ignore", num_workers=num_workers
        )
        if skipped is None:
            return self._scored(read(), num_workers)
        scores = SkippedScores(skipped)
        return scores.filled(self._scored(read(on_skipped=scores.note), num_workers))

    def evaluate_files(self, files: list[Path], *, skipped: SkippedRows | None = None) -> Metrics:
        """Return the metrics on raw files that have the label column.

        Args:
            files: the files, written as the schema says.
            skipped: takes the rows that cannot be read, which are left out; None to raise an
                error.

        Raises:
            ValueError: if a file has no labels, or there is only one class.
            FloatingPointError: if a score is not finite, naming the row.
        """
        labels: list[NDArray[Any]] = []

        def noting_labels(chunks: Generator[Rows, None, None]) -> Generator[Rows, None, None]:
            with closing(chunks):
                for rows in chunks:
                    labels.append(np.asarray(rows.labels))
                    yield rows

        on_skipped = None if skipped is None else lambda rows, _: skipped.add("rows", rows)
        chunks = noting_labels(
            read_rows(files, self.encoder, label="require", on_skipped=on_skipped)
        )
        predicted = np.concatenate([np.empty(0), *self._scored(chunks)])
        return compute_metrics(np.concatenate([np.empty(0, np.uint8), *labels]), predicted)

    def evaluate_rows(self, data: PreparedData, part: str) -> Metrics:
        """Return the metrics on ``"train"``, ``"valid"`` or ``"test"`` of prepared data.

        Raises:
            ValueError: if `data` was prepared with another schema or vocabulary, so that its ids
                mean something else, or the part is empty or of one class.
            FloatingPointError: if a score is not finite, naming the row.
            SpaceError: if its rows' scores need more memory than is free.
        """
        trained, given = self.encoder.fingerprint, data.encoder.fingerprint
        if trained != given:
            raise ValueError(
                f"{data.path} was prepared with another schema or vocabulary ({given[:12]}) than "
                f"run {self.folder} ({trained[:12]}); give its raw files, which the run encodes"
            )
        rows: Dataset = getattr(data, part)
        if len(rows) == 0:
            raise ValueError(f"{data.path} has no {part} rows; evaluate on another part")
        if self._check_space:
            what = f"scoring {len(rows):,} rows with run {self.folder}"
            check_scoring(what, SCORED_ROW_BYTES * len(rows))
        return measure(self.model, rows, f"{part} rows of {data.path}")

    def _scored(
        self, chunks: Generator[Rows, None, None], num_workers: int | None = None
    ) -> Generator[NDArray[np.float64], None, None]:
        with closing(chunks):
            logits = score_stream(self.model, chunks, num_workers=num_workers)
            yield from map(probabilities, finite(logits, f"run {self.folder}"))
