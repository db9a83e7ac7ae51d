"""Work that does not fit is refused before anything is written, unless the user insists."""

import dataclasses
import gzip
import json
from types import SimpleNamespace

import pytest
from failing import error_of

from ctrkit.cli import main
from ctrkit.data import Field, Schema, prepare
from ctrkit.data.preparing.plan import SPILLED_CELL_BYTES, preparation_disk
from ctrkit.data.reading.sources import open_sources
from ctrkit.data.schemas.criteo import CRITEO
from ctrkit.machine import space
from ctrkit.synthetic import generate

ROWS = 2000
FAST = ["--epochs", "1", "--batch-size", "512", "--embedding-dim", "4", "--model", "dagfm"]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "criteo.txt"
    generate(path, rows=ROWS, seed=1)
    return path


@pytest.fixture(scope="module")
def data(log, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "data"
    prepare(log, format="criteo", out=out)
    return out


@pytest.fixture
def no_memory(monkeypatch):
    monkeypatch.setattr("ctrkit.runs.space.free_memory", lambda: 1000)


@pytest.fixture
def no_disk(monkeypatch):
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))


def test_prepare_is_refused_without_room_and_writes_nothing(log, tmp_path, no_disk, capsys):
    words = ["prepare", str(log), "--format", "criteo", "--out", str(tmp_path / "data")]
    said = error_of(words, capsys)
    assert "error: preparing about 2,000 rows needs about 0.00051 GB on the disk of" in said
    assert "1e-06 GB are free; make room, or name another folder; or skip this check" in said
    assert list(tmp_path.iterdir()) == []
    assert main([*words, "--no-check-space"]) == 0
    options = json.loads((tmp_path / "data" / "schema.json").read_text())["prepared"]["options"]
    assert "check_space" not in options


def test_prepared_data_is_opened_again_without_room(log, data, no_disk):
    assert len(prepare(log, format="criteo", out=data).train) == ROWS * 8 // 10


@pytest.mark.parametrize("command", ["train", "distill"])
def test_training_is_refused_without_memory_and_writes_nothing(
    command, data, tmp_path, no_memory, capsys
):
    words = [command, str(data), "--out", str(tmp_path / "run"), *FAST]
    if command == "distill":
        words = [word if word != "--model" else "--student" for word in words]
        words += ["--teacher", "crossnet"]
    said = error_of(words, capsys)
    what = {"train": "training", "distill": "distillation"}[command]
    assert f"error: {what} with a table of " in said
    assert "of memory, 1e-06 GB are free; take table_optimizer adagrad, a smaller" in said
    assert list(tmp_path.iterdir()) == []


def test_training_is_refused_without_room_for_checkpoints(data, tmp_path, no_disk, capsys):
    words = ["train", str(data), "--out", str(tmp_path / "run"), *FAST]
    said = error_of([*words, "--table-optimizer", "adagrad"], capsys)
    assert "on the disk of" in said
    assert "are free; take a smaller embedding_dim or a larger min_count, or name" in said
    assert list(tmp_path.iterdir()) == []


def test_a_user_who_insists_trains_and_scores_all_the_same(
    data, log, tmp_path, no_memory, no_disk, capsys
):
    run = tmp_path / "run"
    words = ["train", str(data), "--out", str(run), *FAST]
    assert main([*words, "--no-check-space"]) == 0
    scores = tmp_path / "scores.csv"
    predict = ["predict", str(run), str(log), "--out", str(scores)]
    said = error_of(predict, capsys)
    assert f"scoring with run {run} needs about" in said
    assert not scores.exists()
    assert main([*predict, "--no-check-space"]) == 0
    assert main(["evaluate", str(run), str(data), "--no-check-space"]) == 0
    assert "scoring with run" in error_of(["evaluate", str(run), str(data)], capsys)


@pytest.mark.parametrize("packed", [False, True])
def test_rows_of_a_file_are_estimated_from_its_beginning(log, tmp_path, packed):
    path = tmp_path / "log"
    content = log.read_bytes() * 45
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    (source,) = open_sources([path])
    found = source.about_rows(CRITEO)
    assert found is not None
    assert 0.8 * 45 * ROWS < found < 1.02 * 45 * ROWS


def test_line_ends_in_quotes_end_no_row(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("click,text\n" + '1,"one\ntwo"\n' * 100)
    (source,) = open_sources([path])
    assert source.about_rows(Schema([Field("text")], label="click", separator=",")) == 101


def test_preparation_holds_its_arrays_and_more(log, data):
    arrays = sum(path.stat().st_size for path in data.rglob("*.npy"))
    without, with_times = (
        preparation_disk(CRITEO, ROWS, with_times=flag) for flag in (False, True)
    )
    spilled = ROWS * (SPILLED_CELL_BYTES * 39 + 2)
    assert without - spilled == pytest.approx(arrays, rel=0.01)
    assert with_times == without + 8 * ROWS


def test_history_and_crosses_need_room_of_their_own():
    def row(history, crosses, **given):
        schema = dataclasses.replace(CRITEO, history=history, crosses=crosses)
        return preparation_disk(schema, 1000, with_times=False, **given) / 1000

    plain = row((), ())
    assert row(("C1",), ()) > plain + 8
    assert row(("C1",), (), in_order=True) == row(("C1",), ()) + 16
    assert row((), ("C1+C2",)) > plain + 4
    every = tuple(field.name for field in CRITEO.fields)
    assert row(("auto",), ("auto",)) > row(every, ())
