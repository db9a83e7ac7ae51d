"""`prepare`: a raw log into a folder of prepared data, in bounded memory."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ctrkit.data.encoding import (
    SCHEMA_FILE,
    Encoder,
    Statistics,
    Vocabulary,
    check_columns,
    check_header,
    check_version,
    entry_of,
    needed_columns,
    needs_statistics,
    needs_vocabulary,
    read_schema_file,
)
from ctrkit.data.guessing import SchemaGuess, naming_the_guess
from ctrkit.data.preparing.choosing import choose_combined
from ctrkit.data.preparing.combining import fit_combined
from ctrkit.data.preparing.config import PrepareConfig, Progress
from ctrkit.data.preparing.inputs import opened_sources, resolved_schema
from ctrkit.data.preparing.own_clicks import own_histories
from ctrkit.data.preparing.passes import (
    CountedBlock,
    StoredBlock,
    count_block,
    encode_block,
    fit_field,
    read_block,
)
from ctrkit.data.preparing.plan import Plan, check_no_rereading, preparation_disk
from ctrkit.data.preparing.split import (
    Split,
    WholeSplit,
)
from ctrkit.data.reading import (
    SKIPPED_FILE,
    Block,
    Listing,
    PathLike,
    SkippedRow,
    SkippedRows,
    SourceLike,
    most_bad_rows,
    read_good_rows,
)
from ctrkit.data.schemas import Field, Schema
from ctrkit.data.storing import (
    PARTS,
    PartWriter,
    PreparedData,
    TemporaryFolder,
    check_replaceable,
    load,
    new_folder,
)
from ctrkit.files import remove_left_overs
from ctrkit.machine import Workers, check_disk, default_workers
from ctrkit.options import (
    shown,
    suggest,
)

ProgressCallback = Callable[[Progress], None]

_ReadBlock = tuple[int, float, StoredBlock | None, Iterable[SkippedRow]]
"""Number and fraction read of a source; its next block, None where no row is good; bad rows."""


def prepare(
    source: SourceLike,
    *,
    out: PathLike | None = None,
    schema: Schema | PathLike | None = None,
    valid: SourceLike | None = None,
    test: SourceLike | None = None,
    progress: ProgressCallback | None = None,
    on_guess: Callable[[SchemaGuess], object] | None = None,
    **options: Any,
) -> PreparedData:
    """Split, count and encode a log; write the result to a folder and open it.

    The folder appears when it is whole. If it exists already, made from the same content with the
    same options, it is just opened; ``force`` replaces one that is damaged or different.

    Args:
        source: path of a file, list of paths, or a DataFrame; ``"-"`` is standard input.
        out: folder to make; None for a temporary one that lives as long as what is returned.
        schema: a `Schema` or the path of a ``schema.toml``; None for the format's, or a guess.
        valid: files or frame of validation rows; None to cut them from the source.
        test: files or frame of test rows; None to cut them from the source.
        progress: called with a `Progress` after each block of rows, in the calling thread.
        on_guess: called with the schema, where it was guessed, before the work begins.
        **options: see `PrepareConfig`.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if an option, the schema or a row is wrong, naming file, line and column; if
            more rows are bad than ``bad_rows`` allows, or all of a file.
        FileExistsError: if the folder holds something else, or is damaged.
        SpaceError: if the disk is too full.
        OSError: if the folder cannot be written.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"user": ["a", "b"] * 10, "click": [0, 1] * 10})
        >>> prepare(frame, seed=1)
        PreparedData(train 16, valid 2, test 2 rows, 1 fields, 4 ids)
    """
    config = PrepareConfig(**options)
    sources = opened_sources(config, train=source, valid=valid, test=test)
    check_no_rereading(sources, out, force=config.force)
    guess = resolved_schema(config, sources["train"], schema)
    if guess.is_guess and on_guess is not None:
        on_guess(guess)
    job = _Preparation(Plan(config, guess.schema, sources), progress or (lambda _: None))
    with naming_the_guess(guess):
        if out is None:
            folder = TemporaryFolder(Path(tempfile.mkdtemp(prefix="ctrkit-")))
            return job.run(folder.path / "data", durable=False).keep(folder)
        return job.run(Path(out), durable=True)


@dataclass
class _Preparation:
    """One run of `prepare`."""

    plan: Plan
    progress: ProgressCallback

    def run(self, out: Path, *, durable: bool) -> PreparedData:
        """Return the prepared data, made if missing (see `new_folder`)."""
        time_field = self.plan.time_field()
        remove_left_overs(out.parent, of=out.name)
        existing = self._existing(out)
        if existing is not None:
            return existing
        if out.exists():  # to be replaced, with force
            check_replaceable(out)
        if self.plan.config.check_space:
            num_rows, with_times = self.plan.about_rows(), time_field is not None
            needed = preparation_disk(
                self.plan.schema,
                num_rows,
                with_times=with_times,
                in_order=self.plan.config.history_order == "time",
            )
            check_disk(f"preparing about {num_rows:,} rows", needed, out)
        with new_folder(out, force=self.plan.config.force, durable=durable) as folder:
            spill = folder / "spill"
            spill.mkdir()
            skipped = SkippedRows(folder / SKIPPED_FILE, most_bad_rows(self.plan.config.bad_rows))
            with Workers(self.plan.config.num_workers or default_workers()) as workers:
                with skipped:
                    blocks = self._read(workers, spill, time_field, skipped)
                counted = self._count(workers, spill, blocks)
                encoder, chosen = self._fit(workers, spill, counted)
                sums = self._write(workers, folder, counted, encoder)
            shutil.rmtree(spill)
            info = {**self._info(counted, sums, skipped), **chosen}
            encoder.save(folder, extra={"prepared": info})
            del encoder  # or its vocabularies would be there twice
        return load(out, check=False)

    def _existing(self, out: Path) -> PreparedData | None:
        """Return the prepared data if the folder holds it already, else None."""
        if not out.exists():
            return None
        if not out.is_dir():
            kind = "a file" if out.is_file() else "a pipe or a device"
            raise FileExistsError(f"{out} must be a folder, got {kind}")
        if not any(out.iterdir()):
            return None
        try:
            plain = read_schema_file(out)
            keys = ("prepared", "fingerprint")
            fingerprint = entry_of(plain, *keys, where=out / SCHEMA_FILE, kind=str)
        except (FileNotFoundError, ValueError):
            raise FileExistsError(
                f"{out} must be new, empty or prepared data, got something else; name another"
            ) from None
        try:
            check_version(plain, out)
        except ValueError as error:
            self._refuse_without_force(f"{error}; or replace it with force", error)
            return None
        if any(source.stream is not None for source in self.plan.opened):
            return None  # with force, see `check_no_rereading`
        if fingerprint != self.plan.fingerprint():
            self._refuse_without_force(
                f"{out} holds data prepared from another log, schema or options; "
                "name another folder, or replace it with force"
            )
            return None
        try:
            data = load(out)
        except (FileNotFoundError, ValueError) as error:
            self._refuse_without_force(f"{error}; prepare it again with force", error)
            return None
        bad_rows = self.plan.config.bad_rows
        most = most_bad_rows(bad_rows)
        if most is None or data.num_skipped <= most:
            return data
        raise ValueError(
            f"{out} holds this log without {data.num_skipped:,} rows that cannot be read, "
            f"listed in {data.path / SKIPPED_FILE}; bad_rows {bad_rows!r} allows "
            f"{most or 'none'}"
        )

    def _refuse_without_force(self, refusal: str, cause: Exception | None = None) -> None:
        """Raise ``FileExistsError`` unless what is there is to be replaced."""
        if not self.plan.config.force:
            raise FileExistsError(refusal) from cause

    def _read(
        self, workers: Workers, spill: Path, time_field: Field | None, skipped: SkippedRows
    ) -> dict[str, list[StoredBlock]]:
        sources = self.plan.sources
        order = [(part, source) for part in sources for source in sources[part]]
        rows_of = [0] * len(order)
        found: dict[str, list[StoredBlock]] = {part: [] for part in sources}

        def tasks() -> Iterator[Callable[[], _ReadBlock]]:
            numbers = itertools.count()
            for index, (part, source) in enumerate(order):
                time = time_field if part == "train" else None
                for block in source.blocks(self.plan.schema):
                    self._check_columns(block, time)
                    path = spill / f"cells-{next(numbers):06d}"
                    yield functools.partial(self._read_block, index, block, time, path)

        for index, fraction, block, bad_rows in workers.in_order(tasks()):
            part, _ = order[index]
            skipped.add(part, bad_rows)
            if block is not None:
                found[part].append(block)
                rows_of[index] += block.num_rows
            self.progress(Progress("read", sum(rows_of), min((index + fraction) / len(order), 1.0)))
        for (_, source), num_rows in zip(order, rows_of, strict=True):
            if not num_rows:
                first = skipped.first.get(source.name)
                hint = f" that can be read; the first bad one: {first}" if first else ""
                raise ValueError(f"{source.name} holds no rows{hint}")
        return found

    def _read_block(
        self, index: int, block: Block, time_field: Field | None, path: Path
    ) -> _ReadBlock:
        def read(block: Block) -> StoredBlock:
            return read_block(block, self.plan.schema, time_field, path)

        if self.plan.config.bad_rows == "error":
            return index, block.fraction, read(block), ()
        bad_rows = Listing(path)
        return index, block.fraction, read_good_rows(block, read, bad_rows.add), bad_rows

    def _check_columns(self, block: Block, time_field: Field | None) -> None:
        names = [self.plan.schema.label, *(field.name for field in self.plan.schema.fields)]
        check_header(block, names)
        known = set(names)
        for name in block.columns:
            if name not in known:
                raise ValueError(
                    f"{block.source}: column {shown(name)} is not in the schema"
                    f'{suggest(name, known)}; add it, with kind = "dropped" if it is not wanted'
                )
        times = () if time_field is None else (time_field.name,)
        check_columns(block, (self.plan.schema.label, *needed_columns(self.plan.schema), *times))

    def _count(
        self, workers: Workers, spill: Path, blocks: dict[str, list[StoredBlock]]
    ) -> list[CountedBlock]:
        splits: dict[str, Split] = {
            part: WholeSplit(PARTS.index(part)) for part in blocks if part != "train"
        }
        splits["train"] = self.plan.split(blocks["train"])

        def tasks() -> Iterator[Callable[[], CountedBlock]]:
            numbers = itertools.count()
            for part, stored in blocks.items():
                start = 0
                for block in stored:
                    yield functools.partial(
                        count_block,
                        block,
                        start,
                        splits[part],
                        count_all=self.plan.config.vocabulary_from == "all",
                        schema=self.plan.schema,
                        path=spill / f"counts-{next(numbers):06d}",
                    )
                    start += block.num_rows

        return list(workers.in_order(tasks()))

    def _fit(
        self, workers: Workers, spill: Path, counted: Sequence[CountedBlock]
    ) -> tuple[Encoder, dict[str, Any]]:
        """Return the encoder, and what was chosen for it, for ``schema.json``."""
        plain = self._fit_columns(workers, counted)
        schema, chosen = choose_combined(self.plan.schema, plain, counted)
        return fit_combined(workers, schema, plain, counted, spill), chosen

    def _fit_columns(self, workers: Workers, counted: Sequence[CountedBlock]) -> Encoder:
        names = [
            field.name
            for field in self.plan.schema.model_fields
            if field.owner == field.name
            and (needs_vocabulary(self.plan.schema, field) or needs_statistics(field))
        ]
        num_rows = sum(block.block.num_rows for block in counted)
        vocabularies: dict[str, Vocabulary] = {}
        statistics: dict[str, Statistics] = {}
        tasks = (functools.partial(fit_field, counted, self.plan.schema, name) for name in names)
        for number, fitted in enumerate(workers.in_order(tasks)):
            if isinstance(fitted, Vocabulary):
                vocabularies[names[number]] = fitted
            else:
                statistics[names[number]] = fitted
            self.progress(Progress("count", num_rows, (number + 1) / len(names)))
        schema = dataclasses.replace(self.plan.schema, crosses=(), history=())
        return Encoder(schema, vocabularies, statistics)

    def _write(
        self, workers: Workers, folder: Path, counted: Sequence[CountedBlock], encoder: Encoder
    ) -> list[dict[str, str]]:
        """Write the rows, and return for each part the checksums of its files."""
        totals = np.sum([block.rows for block in counted], axis=0).tolist()
        order = self.plan.config.history_order
        owns = own_histories(workers, counted, encoder, order, folder / "spill")
        num_rows = 0
        with contextlib.ExitStack() as stack:
            writers = [
                stack.enter_context(PartWriter(folder / part, rows, encoder))
                for part, rows in zip(PARTS, totals, strict=True)
            ]
            tasks = (
                functools.partial(encode_block, block, encoder, own)
                for block, own in zip(counted, owns, strict=True)
            )
            for parts in workers.in_order(tasks):
                for writer, rows in zip(writers, parts, strict=True):
                    writer.write(rows)
                    num_rows += len(rows)
                self.progress(Progress("write", num_rows, num_rows / sum(totals)))
            return [writer.checksums() for writer in writers]

    def _info(
        self,
        counted: Sequence[CountedBlock],
        sums: Sequence[dict[str, str]],
        skipped: SkippedRows,
    ) -> dict[str, Any]:
        rows = np.sum([block.rows for block in counted], axis=0).tolist()
        clicks = np.sum([block.clicks for block in counted], axis=0).tolist()
        return {
            **self.plan.recorded(),
            "skipped": {part: skipped.counts[part] for part in self.plan.sources},
            "parts": {
                part: {"rows": number, "clicks": clicked, "crc32": crc32}
                for part, number, clicked, crc32 in zip(PARTS, rows, clicks, sums, strict=True)
            },
        }
