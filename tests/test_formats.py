"""Folders of every format version that was ever written still open, or say what to do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from edited import edit_json

from ctrkit.data import load
from ctrkit.data.encoding import encoder
from ctrkit.runs import Run, folder

FORMATS = Path(__file__).parent / "formats"
VERSIONS = range(1, folder.FORMAT_VERSION + 1)
DATA_VERSIONS = range(1, encoder.FORMAT_VERSION + 1)


def expected(version: int) -> dict:
    return json.loads((FORMATS / f"expected_v{version}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_of_every_version_gives_the_scores_it_gave(version):
    then = expected(version)
    run = Run(FORMATS / f"run_v{version}", device="cpu")
    found = run.score(pd.DataFrame(then["rows"]))
    assert np.ptp(then["probabilities"]) > 0.1  # or any model would do
    np.testing.assert_allclose(found, then["probabilities"], rtol=1e-5)


@pytest.mark.parametrize("version", DATA_VERSIONS)
def test_prepared_data_of_every_version_encode_rows_as_they_did(version):
    then = expected(version)
    data = load(FORMATS / f"data_v{version}")
    assert data.encoder.encode(pd.DataFrame(then["rows"])).ids.tolist() == then["ids"]
    assert data.test.ids[0].tolist() == then["first_test_ids"]
    assert (len(data.train), len(data.valid), len(data.test)) == (320, 40, 40)


def test_the_folders_of_a_version_belong_together():
    newest = FORMATS / f"run_v{folder.FORMAT_VERSION}"
    data = load(FORMATS / f"data_v{encoder.FORMAT_VERSION}")
    metrics = Run(newest, device="cpu").evaluate_rows(data, "test")
    kept = json.loads((newest / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert metrics.auc == pytest.approx(kept["auc"], rel=1e-5)


@pytest.mark.parametrize("version", [0, 999])
def test_prepared_data_of_an_unknown_version_say_what_to_do(version, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(FORMATS / f"data_v{encoder.FORMAT_VERSION}", copy)
    edit_json(copy / "schema.json", format_version=version, ctrkit_version="7.8.9")
    said = (
        rf"format_version 1 or 2, got {version}; prepare the log again, "
        r"or use the ctrkit that wrote it \(7\.8\.9\)"
    )
    with pytest.raises(ValueError, match=said):
        load(copy)


@pytest.mark.parametrize("version", [0, 999])
def test_a_run_of_an_unknown_version_says_what_to_do(version, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(FORMATS / f"run_v{folder.FORMAT_VERSION}", copy)
    edit_json(copy / "config.json", format_version=version, ctrkit="7.8.9")
    said = rf"format version {version}, this ctrkit reads \d+; train again, or use ctrkit '?7\.8\.9"
    with pytest.raises(ValueError, match=said):
        Run(copy, device="cpu")


def test_folders_kept_for_ever_are_small():
    for kept in FORMATS.glob("*_v*"):
        files = [kept] if kept.is_file() else [path for path in kept.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 100_000, kept
