"""Files, streams and frames that the user names, and their formats."""

from __future__ import annotations

import pandas as pd
import pytest

from ctrkit.data import built_in_schema, infer_schema
from ctrkit.data.reading.frames.source import ParquetSource
from ctrkit.data.reading.sources import open_sources
from ctrkit.data.reading.text.source import TextSource


def test_parquet_is_known_by_its_content(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": ["x", "y"], "label": [0, 1]}).to_parquet(tmp_path / "log.parquet")
    path = (tmp_path / "log.parquet").rename(tmp_path / "part-00000.snappy")
    assert infer_schema(path).label == "label"
    assert isinstance(open_sources(path)[0], ParquetSource)


def test_a_text_that_begins_like_parquet_is_a_text(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("PAR1,PAR2,label\n1,2,0\n")
    assert isinstance(open_sources(path)[0], TextSource)


def test_unknown_formats_are_named(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("user,click\nu1,0\n")
    with pytest.raises(ValueError, match="unknown format 'critoe'; did you mean 'criteo'"):
        open_sources(path, format="critoe")
    with pytest.raises(ValueError, match=r"log.txt: cannot guess the format from the file's name"):
        infer_schema(path)
    with pytest.raises(ValueError, match="unknown schema 'crit'"):
        built_in_schema("crit")
    with pytest.raises(ValueError, match="source must name at least one file, got none"):
        open_sources([])
