"""`prepare`: a raw log into a folder of prepared data, in bounded memory."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

import numpy as np

from ctrkit.data.dataset import (
    IDS_FILE,
    LABELS_FILE,
    VALUES_FILE,
    PreparedData,
    TemporaryFolder,
    load,
)
from ctrkit.data.encode import (
    FORMAT_VERSION,
    Encoder,
    Rows,
    Statistics,
    check_columns,
    needed_columns,
    needs_statistics,
    needs_vocabulary,
    read_schema_file,
)
from ctrkit.data.passes import (
    CountedBlock,
    StoredBlock,
    count_block,
    encode_block,
    fit_field,
    read_block,
)
from ctrkit.data.schema import TIMESTAMP, Field, Schema
from ctrkit.data.sources import FORMATS, PathLike, SourceLike, open_sources, resolve_schema
from ctrkit.data.split import (
    PARTS,
    Fractions,
    LastSplit,
    RandomSplit,
    Split,
    TimeSplit,
    WholeSplit,
    check_fractions,
)
from ctrkit.data.table import Source
from ctrkit.data.vocabulary import Vocabulary
from ctrkit.options import (
    check_choice,
    check_not_negative,
    check_positive,
    option,
    suggest,
    to_mapping,
)

T = TypeVar("T")
S = TypeVar("S")

SPLITS = ("random", "time", "last")
COUNTED_ROWS = ("train", "all")

MAX_WORKERS = 8
"""Threads unless told otherwise; each needs some 200 MiB."""

_NOT_IN_FINGERPRINT = ("format", "label", "force", "num_workers", "min_count")


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Options of one preparation.

    Raises:
        ValueError: if an option is out of range or an unknown name.
    """

    format: str | None = option(
        None, "how the log is written; told from the file's name if not given", choices=FORMATS
    )
    label: str | None = option(None, "name of the label column, if another than the schema's")
    split: str = option("random", "how rows become train, valid and test", choices=SPLITS)
    fractions: tuple[float, ...] = option((0.8, 0.1, 0.1), "of train, valid and test")
    seed: int = option(2021, "of the random split")
    vocabulary_from: str = option(
        "train",
        "rows whose categories are counted; 'all' is the papers' protocol, and leaks",
        choices=COUNTED_ROWS,
    )
    min_count: int | None = option(
        None, "categories seen less often share one id; for fields without a threshold of their own"
    )
    time_column: str | None = option(None, "column that split 'time' goes by")
    force: bool = option(False, "replace an existing folder of other data")
    num_workers: int | None = option(None, "threads; one per processor, at most 8, if not given")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fractions", tuple(self.fractions))
        if self.format is not None:
            check_choice("format", self.format, FORMATS)
        check_choice("split", self.split, SPLITS)
        check_choice("vocabulary_from", self.vocabulary_from, COUNTED_ROWS)
        check_fractions(self.fractions)
        check_not_negative(seed=self.seed)
        if self.min_count is not None:
            check_positive(min_count=self.min_count)
        if self.num_workers is not None:
            check_positive(num_workers=self.num_workers)
        if self.time_column is not None and self.split != "time":
            raise ValueError(
                f"time_column needs split 'time', got split {self.split!r} "
                f"and time_column {self.time_column!r}"
            )


@dataclass(frozen=True)
class Progress:
    """How far a preparation has come.

    Args:
        stage: ``"read"``, ``"count"`` or ``"write"``, in this order.
        num_rows: rows done in this stage.
        fraction: share of this stage that is done, 0 to 1.
    """

    stage: str
    num_rows: int
    fraction: float


ProgressCallback = Callable[[Progress], None]


def prepare(
    source: SourceLike,
    *,
    out: PathLike | None = None,
    schema: Schema | PathLike | None = None,
    valid: SourceLike | None = None,
    test: SourceLike | None = None,
    progress: ProgressCallback | Literal[False] | None = None,
    **options: Any,
) -> PreparedData:
    """Split, count and encode a log; write the result to a folder and open it.

    The folder appears when it is whole, and not before. Where it exists already, made from the
    same content with the same options, it is opened and nothing is done.

    Args:
        source: path of a file, list of paths, or a DataFrame.
        out: folder to make; None for a temporary one that lives as long as what is returned.
        schema: a `Schema` or the path of a ``schema.toml``; None for the format's, or a guess.
        valid: files or frame of validation rows; None to cut them from the source.
        test: files or frame of test rows; None to cut them from the source.
        progress: is called with a `Progress` after each block of rows, in the calling thread.
        **options: see `PrepareConfig`.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if an option, the schema or a row is wrong, naming file, line and column.
        FileExistsError: if the folder holds something else.
        OSError: if the folder cannot be written.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"user": ["a", "b"] * 10, "click": [0, 1] * 10})
        >>> prepare(frame, seed=1)
        PreparedData(train 16, valid 2, test 2 rows, 1 fields, 4 ids)
    """
    config = PrepareConfig(**options)
    resolved = resolve_schema(source, format=config.format, schema=schema, label=config.label)
    if config.min_count is not None:
        resolved = dataclasses.replace(resolved, min_count=config.min_count)
    sources = {
        part: open_sources(given, format=config.format)
        for part, given in zip(PARTS, (source, valid, test), strict=True)
        if given is not None
    }
    job = _Preparation(config, resolved, sources, progress or (lambda _: None))
    if out is None:
        folder = TemporaryFolder(Path(tempfile.mkdtemp(prefix="ctrkit-")))
        return job.run(folder.path / "data", durable=False).keep(folder)
    return job.run(Path(out), durable=True)


@dataclass
class _Preparation:
    """One run of `prepare`."""

    config: PrepareConfig
    schema: Schema
    sources: dict[str, list[Source]]
    progress: ProgressCallback

    def run(self, out: Path, *, durable: bool) -> PreparedData:
        """Return the prepared data, made where it does not exist.

        Args:
            out: the folder.
            durable: wait until all of it is on the disk before it gets its name.
        """
        time_field = self._time_field()
        if self._is_there(out):
            return load(out)
        with _new_folder(out, force=self.config.force, durable=durable) as folder:
            workers = self.config.num_workers or min(_num_processors(), MAX_WORKERS)
            spill = folder / "spill"
            spill.mkdir()
            with ThreadPoolExecutor(workers) as pool:
                blocks = self._read(pool, workers, spill, time_field)
                counted = self._count(pool, workers, spill, blocks)
                encoder = self._fit(pool, workers, counted)
                self._write(pool, workers, folder, counted, encoder)
            shutil.rmtree(spill)
            encoder.save(folder, extra={"prepared": self._info(counted)})
        return load(out, check_ids=False)

    def _time_field(self) -> Field | None:
        if self.config.split != "time":
            return None
        if self.config.time_column is not None:
            return self.schema.field(self.config.time_column)
        found = [field for field in self.schema.fields if field.kind == TIMESTAMP]
        if len(found) != 1:
            names = ", ".join(field.name for field in found) or "none"
            raise ValueError(
                f"time_column must name the column that split 'time' goes by, the schema has "
                f"{names} of kind timestamp; where the log is in the order of time, "
                "split 'last' does the same"
            )
        return found[0]

    def _fingerprint(self) -> str:
        options = to_mapping(self.config)
        for name in _NOT_IN_FINGERPRINT:
            del options[name]
        content = {
            "format_version": FORMAT_VERSION,
            "schema": self.schema.to_mapping(),
            "options": options,
            "sources": {
                part: [source.content_hash() for source in sources]
                for part, sources in self.sources.items()
            },
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _is_there(self, out: Path) -> bool:
        """Return whether the folder holds what would be made."""
        if not out.exists():
            return False
        if not out.is_dir():
            raise FileExistsError(f"{out} must be a folder, got a file")
        if not any(out.iterdir()):
            return False
        try:
            prepared = read_schema_file(out).get("prepared")
        except FileNotFoundError:
            raise FileExistsError(
                f"{out} must be new, empty or prepared data, got something else; name another"
            ) from None
        except ValueError as error:
            if self.config.force:
                return False
            raise FileExistsError(f"{error}; or replace it with force") from error
        if prepared is None:
            raise FileExistsError(f"{out} must be new, empty or prepared data, got a run folder")
        if prepared["fingerprint"] == self._fingerprint():
            return True
        if self.config.force:
            return False
        raise FileExistsError(
            f"{out} holds data prepared from another log, schema or options; "
            "name another folder, or replace it with force"
        )

    def _read(
        self, pool: ThreadPoolExecutor, workers: int, spill: Path, time_field: Field | None
    ) -> dict[str, list[StoredBlock]]:
        num_sources = sum(map(len, self.sources.values()))
        found: dict[str, list[StoredBlock]] = {part: [] for part in self.sources}
        num_rows = num_blocks = 0
        done = 0

        def tasks() -> Iterator[tuple[Callable[[], StoredBlock], tuple[str, float]]]:
            nonlocal num_blocks, done
            for part, sources in self.sources.items():
                needs_time = time_field if part == "train" else None
                for source in sources:
                    for block in source.blocks(self.schema):
                        self._check_columns(block.source, block.columns)
                        check_columns(block, (self.schema.label, *needed_columns(self.schema)))
                        path = spill / f"cells-{num_blocks:06d}"
                        task = functools.partial(read_block, block, self.schema, needs_time, path)
                        yield task, (part, (done + block.fraction) / num_sources)
                        num_blocks += 1
                    done += 1

        for block, (part, fraction) in _in_order(pool, tasks(), workers + 1):
            found[part].append(block)
            num_rows += block.num_rows
            self.progress(Progress("read", num_rows, min(fraction, 1.0)))
        return found

    def _check_columns(self, source: str, columns: Sequence[str]) -> None:
        known = [self.schema.label, *(field.name for field in self.schema.fields)]
        for name in columns:
            if name not in known:
                raise ValueError(
                    f"{source}: column {name!r} is not in the schema{suggest(name, known)}; "
                    'add it, with kind = "dropped" if it is not wanted'
                )

    def _split(self, blocks: Sequence[StoredBlock]) -> Split:
        """Return the split of the source, which gives rows only to parts without own files."""
        given = tuple(self.config.fractions)
        kept = [
            0.0 if part != "train" and part in self.sources else fraction
            for part, fraction in zip(PARTS, given, strict=True)
        ]
        fractions: Fractions = tuple(fraction / sum(kept) for fraction in kept)  # type: ignore[assignment]
        num_rows = sum(block.num_rows for block in blocks)
        if self.config.split == "random":
            return RandomSplit(num_rows, fractions, self.config.seed)
        if self.config.split == "last":
            return LastSplit(num_rows, fractions)
        times = np.empty(0)
        counts = np.empty(0, dtype=np.int64)
        for block in blocks:
            if block.times is not None:
                here, number = np.unique(block.times.read(), return_counts=True)
                times, inverse = np.unique(np.concatenate([times, here]), return_inverse=True)
                weights = np.concatenate([counts, number])
                counts = np.bincount(inverse, weights=weights).astype(np.int64)
        return TimeSplit.fit(times, counts, fractions)

    def _count(
        self,
        pool: ThreadPoolExecutor,
        workers: int,
        spill: Path,
        blocks: dict[str, list[StoredBlock]],
    ) -> list[CountedBlock]:
        splits: dict[str, Split] = {
            part: WholeSplit(PARTS.index(part)) for part in blocks if part != "train"
        }
        splits["train"] = self._split(blocks["train"])

        def tasks() -> Iterator[tuple[Callable[[], CountedBlock], None]]:
            number = 0
            for part, stored in blocks.items():
                start = 0
                for block in stored:
                    yield (
                        functools.partial(
                            count_block,
                            block,
                            start,
                            splits[part],
                            count_all=self.config.vocabulary_from == "all",
                            schema=self.schema,
                            path=spill / f"counts-{number:06d}",
                        ),
                        None,
                    )
                    number += 1
                    start += block.num_rows

        return [counted for counted, _ in _in_order(pool, tasks(), 2 * workers)]

    def _fit(
        self, pool: ThreadPoolExecutor, workers: int, counted: Sequence[CountedBlock]
    ) -> Encoder:
        names = [
            field.name
            for field in self.schema.model_fields
            if field.owner == field.name
            and (needs_vocabulary(self.schema, field) or needs_statistics(field))
        ]
        num_rows = sum(block.block.num_rows for block in counted)
        vocabularies: dict[str, Vocabulary] = {}
        statistics: dict[str, Statistics] = {}
        tasks = ((functools.partial(fit_field, counted, self.schema, name), name) for name in names)
        for number, (fitted, name) in enumerate(_in_order(pool, tasks, workers), start=1):
            if isinstance(fitted, Vocabulary):
                vocabularies[name] = fitted
            else:
                statistics[name] = fitted
            self.progress(Progress("count", num_rows, number / len(names)))
        return Encoder(self.schema, vocabularies, statistics)

    def _write(
        self,
        pool: ThreadPoolExecutor,
        workers: int,
        folder: Path,
        counted: Sequence[CountedBlock],
        encoder: Encoder,
    ) -> None:
        totals = np.sum([block.rows for block in counted], axis=0).tolist()
        num_rows = 0
        with contextlib.ExitStack() as stack:
            writers = [
                stack.enter_context(_PartWriter(folder / part, rows, encoder))
                for part, rows in zip(PARTS, totals, strict=True)
            ]
            tasks = ((functools.partial(encode_block, block, encoder), block) for block in counted)
            for parts, block in _in_order(pool, tasks, workers + 1):
                for writer, rows in zip(writers, parts, strict=True):
                    writer.write(rows)
                num_rows += block.block.num_rows
                self.progress(Progress("write", num_rows, num_rows / sum(totals)))

    def _info(self, counted: Sequence[CountedBlock]) -> dict[str, Any]:
        rows = np.sum([block.rows for block in counted], axis=0).tolist()
        clicks = np.sum([block.clicks for block in counted], axis=0).tolist()
        options = to_mapping(self.config)
        del options["force"], options["num_workers"]
        return {
            "fingerprint": self._fingerprint(),
            "options": options,
            "sources": {
                part: [source.content_hash() for source in sources]
                for part, sources in self.sources.items()
            },
            "parts": {
                part: {"rows": number, "clicks": clicked}
                for part, number, clicked in zip(PARTS, rows, clicks, strict=True)
            },
        }


class _PartWriter:
    """The arrays of one part, written row by row into .npy files whose size is known."""

    def __init__(self, folder: Path, num_rows: int, encoder: Encoder) -> None:
        folder.mkdir()
        self._files: list[BinaryIO] = []
        num_slots = len(encoder.slot_limits)
        self._open(folder / IDS_FILE, np.dtype("<i4"), (num_rows, num_slots))
        self._open(folder / LABELS_FILE, np.dtype("u1"), (num_rows,))
        if encoder.num_values:
            self._open(folder / VALUES_FILE, np.dtype("<f4"), (num_rows, encoder.num_values))

    def _open(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        file = path.open("wb")
        self._files.append(file)
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

    def __enter__(self) -> _PartWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def write(self, rows: Rows) -> None:
        """Append rows."""
        arrays = [array for array in (rows.ids, rows.labels, rows.values) if array is not None]
        for file, array in zip(self._files, arrays, strict=True):
            if array.size:
                file.write(array.data.cast("B"))


def _num_processors() -> int:
    # The processors given to this process, which may be fewer than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_order(
    pool: ThreadPoolExecutor, tasks: Iterable[tuple[Callable[[], T], S]], limit: int
) -> Iterator[tuple[T, S]]:
    """Return the results of tasks in their order, with at most `limit` of them under way."""
    waiting: deque[tuple[Future[T], S]] = deque()
    try:
        for task, tag in tasks:
            if len(waiting) >= limit:
                future, done = waiting.popleft()
                yield future.result(), done
            waiting.append((pool.submit(task), tag))
        while waiting:
            future, done = waiting.popleft()
            yield future.result(), done
    finally:
        for future, _ in waiting:
            future.cancel()


@contextlib.contextmanager
def _new_folder(out: Path, *, force: bool, durable: bool) -> Iterator[Path]:
    """Give a folder aside, which becomes `out` at the end, or vanishes if that is not reached."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = out.parent / f".{out.name}.{secrets.token_hex(4)}.partial"
        folder.mkdir()
    except OSError as error:
        raise OSError(f"cannot write to {out.parent}: {error.strerror or error}") from error
    try:
        yield folder
        if durable:
            _sync(folder)
        if force and out.exists():
            old = folder.with_suffix(".old")
            out.rename(old)
            try:
                folder.rename(out)
            except BaseException:
                old.rename(out)
                raise
            shutil.rmtree(old)
        else:
            folder.rename(out)
        if durable:
            _sync_one(out.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _sync(folder: Path) -> None:
    """Wait until a folder and all that is in it is on the disk."""
    for path in folder.rglob("*"):
        _sync_one(path)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
