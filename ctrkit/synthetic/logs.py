"""Raw click logs made up: any size, realistic skew, and a known best possible AUC.

Real logs do not say how good a model could be. These do, because every click is drawn from a
probability that the generator knows::

    logit = bias + main effects + pairs + triples + quadruples
    click ~ Bernoulli(sigmoid(logit))

Every frequent value of a field (an integer's log-squared bucket counts as its value) has a main
effect and belongs to one of ``num_groups`` groups; rare values share one effect and belong to no
group, as they will share one id. An interaction of k fields adds a weight by the combination of
their k groups. Its weights average to zero over each field when the others are held, so a model of
fewer fields sees nothing of it; a linear model sees main effects only.

A parity of three fields that share nothing with simpler terms is out of reach of gradient descent.
So the terms form a staircase: every triple extends a planted pair by one field, every quadruple a
triple, and all use the same groups.

Source of the staircase: Abbe, Boix-Adsera, Misiakiewicz, "The merged-staircase property", COLT 2022
(arXiv 2202.08658).
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrkit.files import atomic_write
from ctrkit.options import check_choice, check_not_negative, check_positive
from ctrkit.rows import Labels
from ctrkit.synthetic.best_scores import NUM_STEPS, BestScores, Steps, Tally, best_scores
from ctrkit.synthetic.fields import Entries
from ctrkit.synthetic.layouts import avazu_layout, criteo_layout
from ctrkit.synthetic.planted import PlantedTruth, SyntheticConfig
from ctrkit.synthetic.text_matrix import TextCodes, TextMatrix, four_digit_tokens, text_tokens

CLICK_RATES = {"criteo": 0.256, "avazu": 0.17}
FORMATS = tuple(CLICK_RATES)

# The chunk is part of what a seed means: another size would be another log.
_CHUNK_ROWS = 1 << 15
_ID_CELLS = 5
_DIGITS = text_tokens([0, 1])
_FIRST_DAY = datetime(2014, 10, 21)
_TRUTH_STREAM, _SAMPLE_STREAM, _VALUE_STREAM, _TEXT_STREAM = range(4)

Hours = npt.NDArray[np.intp]


class Truth(NamedTuple):
    """Clicks ``(N,)`` uint8, and the probabilities ``(N,)`` float32 they were drawn from."""

    labels: Labels
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SyntheticLog:
    """A generated log: where it is, what it was made from, and the best possible scores on it.

    ``probabilities`` is the file of true probabilities, or ``None``.
    """

    path: Path
    rows: int
    format: str
    seed: int
    config: SyntheticConfig
    clicks: int
    best_auc: float
    best_logloss: float
    expected_logloss: float
    probabilities: Path | None

    @property
    def click_rate(self) -> float:
        """Share of rows that are clicks."""
        return self.clicks / self.rows

    def best(
        self, rows: slice | npt.NDArray[np.integer] | npt.NDArray[np.bool_] = slice(None)
    ) -> BestScores:
        """Return the best scores on a part of the rows, for instance on those of a test split.

        The truth is drawn again, without the text: a second or two for a million rows.
        """
        labels, probabilities = truth(
            rows=self.rows, format=self.format, seed=self.seed, config=self.config
        )
        return best_scores(labels[rows], probabilities[rows])


def generate(
    path: str | os.PathLike[str],
    *,
    rows: int,
    format: str = "criteo",  # noqa: A002 - the name it has throughout ctrkit
    seed: int = 2021,
    config: SyntheticConfig | None = None,
    probabilities: str | os.PathLike[str] | None = None,
) -> SyntheticLog:
    """Write a raw log in Criteo's or Avazu's format and return what is known of it.

    The same rows, format, seed and config give the same bytes, and memory does not grow with the
    rows. A smaller Criteo log is the beginning of a larger one.

    Args:
        path: the file to write, compressed if it ends in ``.gz``.
        rows: rows to write.
        format: ``"criteo"`` (tab separated, no header) or ``"avazu"`` (CSV, sorted by hour).
        seed: values, planted effects and clicks all follow from it.
        config: what is planted.
        probabilities: a ``.npy`` file to write the true probability of every row to, float32.

    Raises:
        ValueError: if the format is unknown, `rows` is below 1, `seed` is negative, a path ends in
            what is not written here, or there are too few fields for the interactions.
        OSError: if a file cannot be written. Nothing half-written stays behind.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     log = generate(Path(folder) / "log.txt", rows=20_000)
        >>> bool(0.7 < log.best(slice(18_000, 20_000)).auc < 0.9)
        True
    """
    path = Path(path)
    truth_path = None if probabilities is None else Path(probabilities)
    _check_suffixes(path, truth_path)
    source = _Source(rows=rows, format=format, seed=seed, config=config)
    tally = _written(source, path, truth_path)
    best = tally.scores()
    return SyntheticLog(
        path=path,
        rows=rows,
        format=format,
        seed=seed,
        config=source.config,
        clicks=int(tally.clicks.sum()),
        best_auc=best.auc,
        best_logloss=best.logloss,
        expected_logloss=best.expected_logloss,
        probabilities=truth_path,
    )


def _check_suffixes(path: Path, truth_path: Path | None) -> None:
    if path.suffix in {".xz", ".bz2", ".zip", ".zst", ".parquet"}:
        raise ValueError(f"path must be a text file, or end in .gz, got {str(path)!r}")
    if truth_path is not None and truth_path.suffix != ".npy":
        raise ValueError(f"probabilities must name a .npy file, got {str(truth_path)!r}")


def _written(source: _Source, path: Path, truth_path: Path | None) -> Tally:
    """Write the rows, and their probabilities where a file is named, and count them."""
    tally = Tally()
    with ExitStack() as files:
        output = files.enter_context(_opened(path))
        truth_output = truth_path and files.enter_context(_opened(truth_path))
        if truth_output:
            header = {"descr": "<f4", "fortran_order": False, "shape": (source.rows,)}
            np.lib.format.write_array_header_1_0(truth_output, header)
        for text, labels, steps in source.text():
            output.write(text)
            tally.add(labels, steps)
            if truth_output:
                truth_output.write(_chances(steps).astype("<f4").tobytes())
    return tally


def truth(
    *,
    rows: int,
    format: str = "criteo",  # noqa: A002
    seed: int = 2021,
    config: SyntheticConfig | None = None,
) -> Truth:
    """Return the clicks and true probabilities of the log that `generate` writes.

    Raises:
        ValueError: as `generate`.

    Example:
        >>> labels, probabilities = truth(rows=1000)
        >>> bool(abs(labels.mean() - probabilities.mean()) < 0.05)
        True
    """
    source = _Source(rows=rows, format=format, seed=seed, config=config)
    labels, steps = zip(*((chunk.labels, chunk.steps) for chunk in source.chunks()), strict=True)
    return Truth(np.concatenate(labels), _chances(np.concatenate(steps)))


def frame(
    *,
    rows: int,
    format: str = "criteo",  # noqa: A002
    seed: int = 2021,
    config: SyntheticConfig | None = None,
) -> pd.DataFrame:
    """Return the log that `generate` writes as a DataFrame: integers and text, empty cells missing.

    Raises:
        ValueError: as `generate`.

    Example:
        >>> frame(rows=3).shape
        (3, 40)
    """
    source = _Source(rows=rows, format=format, seed=seed, config=config)
    text = b"".join(text for text, _, _ in source.text())
    names = source.column_names
    if format == "criteo":
        kinds = {name: "str" if name.startswith("C") else "Int64" for name in names}
        return pd.read_csv(
            io.BytesIO(text), sep="\t", names=names, dtype=kinds | {"label": "int64"}
        )
    # Hex digits may look like a number, 00120034 or 12345e67.
    is_text = ("id", "site_", "app_", "device_id", "device_ip", "device_model")
    return pd.read_csv(
        io.BytesIO(text), dtype={name: "str" for name in names if name.startswith(is_text)}
    )


class _Chunk(NamedTuple):
    """Consecutive rows: entries by field, hours since the log's start, clicks and chances."""

    entries: list[Entries]
    hours: Hours
    labels: Labels
    steps: Steps


class _Source:
    """A log before it is written: its columns, its truth, and its rows in chunks.

    Every chunk has its own random numbers, and those of the text are apart from those of the
    truth, so that the truth can be had without the text. Chunks are drawn whole, so that a row
    does not depend on how many follow.
    """

    def __init__(
        self,
        *,
        rows: int,
        format: str,  # noqa: A002
        seed: int,
        config: SyntheticConfig | None,
    ) -> None:
        check_choice("format", format, FORMATS)
        check_positive(rows=rows)
        check_not_negative(seed=seed)
        self.rows = rows
        self.seed = seed
        self.config = config or SyntheticConfig()
        self.is_avazu = format == "avazu"
        layout = avazu_layout if self.is_avazu else criteo_layout
        self.layout = layout(seed, self.config.tail_start)
        names = [field.name for field in self.layout.fields]
        self.column_names = [*(["id", "click", "hour"] if self.is_avazu else ["label"]), *names]
        self.truth = PlantedTruth(
            self.layout,
            self.config,
            self._generator(_TRUTH_STREAM),
            sample=self.layout.draw(self._generator(_SAMPLE_STREAM), _CHUNK_ROWS),
            sample_hours=self._hours((np.arange(_CHUNK_ROWS) + 0.5) / _CHUNK_ROWS) % 24,
            click_rate=self.config.click_rate or CLICK_RATES[format],
        )

    def chunks(self) -> Iterator[_Chunk]:
        """Yield all rows but their text."""
        for number, start in enumerate(range(0, self.rows, _CHUNK_ROWS)):
            generator = self._generator(_VALUE_STREAM, number)
            entries = self.layout.draw(generator, _CHUNK_ROWS)
            draws = generator.integers(0, NUM_STEPS, _CHUNK_ROWS, dtype=np.uint16)
            hours = self._hours((np.arange(start, start + _CHUNK_ROWS) + 0.5) / self.rows)
            chances = self.truth.probabilities(entries, hours % 24)
            steps = np.clip(np.rint(chances * NUM_STEPS), 1, NUM_STEPS - 1).astype(np.uint16)
            labels = (draws < steps).astype(np.uint8)
            count = min(_CHUNK_ROWS, self.rows - start)
            yield _Chunk(entries, hours, labels[:count], steps[:count])

    def text(self) -> Iterator[tuple[bytes, Labels, Steps]]:
        """Yield the rows as text, after the header if there is one, with clicks and chances."""
        num_leading = len(self.column_names) - len(self.layout.fields)
        matrix = TextMatrix(
            [_ID_CELLS if name == "id" else 1 for name in self.column_names],
            num_rows=_CHUNK_ROWS,
            separator="," if self.is_avazu else "\t",
        )
        header = ",".join(self.column_names) + "\n" if self.is_avazu else ""
        hour_tokens = _hour_tokens(self.config.num_days)
        for number, chunk in enumerate(self.chunks()):
            generator = self._generator(_TEXT_STREAM, number)
            for column, (field, entries) in enumerate(
                zip(self.layout.fields, chunk.entries, strict=True), start=num_leading
            ):
                matrix.set(column, self.layout.draw_tokens(field, entries, generator))
            count = len(chunk.labels)
            labels = np.pad(chunk.labels, (0, _CHUNK_ROWS - count))
            matrix.set(1 if self.is_avazu else 0, _DIGITS[labels])
            if self.is_avazu:
                for cell, tokens in enumerate(_id_tokens(generator)):
                    matrix.set(0, tokens, cell=cell)
                matrix.set(2, hour_tokens[chunk.hours])
            yield header.encode() + matrix.text(count), chunk.labels, chunk.steps
            header = ""

    def _generator(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *stream])

    def _hours(self, positions: npt.NDArray[np.float64]) -> Hours:
        """Return hours since the start of the log; few at night, for positions in [0, 1)."""
        num_hours = 24 * self.config.num_days if self.is_avazu else 1
        traffic = 1 - 0.6 * np.cos(2 * np.pi * (np.arange(num_hours) - 3) / 24)
        bounds = np.cumsum(traffic) / traffic.sum()
        return np.minimum(np.searchsorted(bounds, positions, side="right"), num_hours - 1)


def _chances(steps: Steps) -> npt.NDArray[np.float32]:
    return steps.astype(np.float32) / np.float32(NUM_STEPS)


def _id_tokens(generator: np.random.Generator) -> Iterator[TextCodes]:
    """Yield the five cells of Avazu's ids, twenty digits each."""
    yield four_digit_tokens(generator.integers(1_000, 1_844, _CHUNK_ROWS))
    for _ in range(_ID_CELLS - 1):
        yield four_digit_tokens(generator.integers(0, 10_000, _CHUNK_ROWS))


def _hour_tokens(num_days: int) -> TextCodes:
    hours = [_FIRST_DAY + timedelta(hours=hour) for hour in range(24 * num_days)]
    return text_tokens([f"{hour:%y%m%d%H}" for hour in hours])


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears when it is whole; compressed if called .gz."""
    with atomic_write(path) as temporary, temporary.open("wb") as raw:
        if path.suffix != ".gz":
            yield raw
            return
        # Neither name nor time goes into the header: same rows, same bytes.
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed:
            yield cast("IO[bytes]", packed)
