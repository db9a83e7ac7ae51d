"""Sources that the user names: files, streams or a frame."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ctrkit.data.reading.blocks import Source
from ctrkit.data.reading.frames import FrameSource, ParquetSource, is_parquet
from ctrkit.data.reading.text import TextSource
from ctrkit.data.schemas import BUILT_IN
from ctrkit.options import check_choice

PathLike = str | os.PathLike[str]
SourceLike = PathLike | Sequence[PathLike] | pd.DataFrame

FORMATS = (*BUILT_IN, "csv", "tsv", "parquet")

_PARQUET_SUFFIXES = (".parquet", ".pq")


def open_sources(
    source: SourceLike,
    *,
    format: str | None = None,  # noqa: A002
    block_bytes: int | None = None,
    skip: bool = False,
) -> list[Source]:
    """Return the files, streams or the frame that `source` names; nothing is read from streams.

    Args:
        source: path, paths or frame; ``"-"`` is standard input.
        format: see `FORMATS`; None to go by the name of the file.
        block_bytes: size of the blocks of a text file, see `TextSource`.
        skip: whether bad rows will be skipped.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if no file is named, a stream twice, or the format is unknown.
        ImportError: if Parquet is wanted and pyarrow is not installed.
    """
    if format is not None:
        check_choice("format", format, FORMATS)
    if isinstance(source, pd.DataFrame):
        return [FrameSource(source)]
    paths = [source] if isinstance(source, (str, os.PathLike)) else source
    if not isinstance(paths, Sequence) or not all(isinstance(p, (str, os.PathLike)) for p in paths):
        raise TypeError(
            "source must be a DataFrame, the path of a file or a list of paths, "
            f"got {_kind_of(source)}"
        )
    if not paths:
        raise ValueError("source must name at least one file, got none")
    opened = [_open(path, format, block_bytes, skip) for path in paths]
    check_streams(opened)
    return opened


def _kind_of(source: Any) -> str:
    if isinstance(source, (list, tuple)):
        other = next(item for item in source if not isinstance(item, (str, os.PathLike)))
        return f"a list with a {type(other).__name__}"
    return f"a {type(source).__name__}"


def check_streams(opened: Iterable[Source]) -> None:
    """Raise ``ValueError`` if a stream is named twice: it can be read only once."""
    names: dict[Hashable, str] = {}
    for source in opened:
        if source.stream is None:
            continue
        if source.stream in names:
            both = dict.fromkeys((names[source.stream], source.name))
            raise ValueError(
                f"{' and '.join(both)} can be read only once, and must be named once, got twice"
            )
        names[source.stream] = source.name


def _open(
    path: PathLike,
    format: str | None,  # noqa: A002
    block_bytes: int | None,
    skip: bool,
) -> Source:
    is_called_so = format is None and Path(path).suffix.lower() in _PARQUET_SUFFIXES
    if format == "parquet" or is_called_so or is_parquet(Path(path)):
        return ParquetSource(path)
    return TextSource(path, block_bytes=block_bytes, skip=skip)
