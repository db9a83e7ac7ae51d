"""What a word on the command line may name."""

import argparse
import os
from pathlib import Path

import pytest
from failing import error_of

from ctrkit.cli import main
from ctrkit.cli.paths import STANDARD, check_folder, file_path, folder_path, path
from ctrkit.files.atomic import atomic_write

DATA_V1, RUN_V1 = (Path(__file__).parents[1] / "formats" / name for name in ("data_v1", "run_v1"))


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_what_no_file_can_be_called_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be the name of a file or folder"):
        path(text)


def test_a_dash_is_a_stream_and_a_dash_in_a_folder_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert path("-") == STANDARD
    assert path("./-") == tmp_path / "-"
    with pytest.raises(argparse.ArgumentTypeError, match=r"write \./-"):
        folder_path("-")


def test_a_file_is_not_named_like_a_folder():
    with pytest.raises(argparse.ArgumentTypeError, match="must name a file, got the folder"):
        file_path("scores/")


def test_a_link_to_a_folder_is_followed_where_it_leads(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert folder_path(str(tmp_path / "link")) == tmp_path / "there"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(argparse.ArgumentTypeError, match="must not lead to itself"):
        folder_path(str(tmp_path / "loop"))


def test_a_folder_below_a_file_is_refused_before_any_work(tmp_path, capsys):
    (tmp_path / "file").touch()
    for command in (["train"], ["distill", "--teacher", str(RUN_V1)], ["prepare"]):
        words = [*command, str(DATA_V1), "--out", str(tmp_path / "file" / "x")]
        assert f"{tmp_path / 'file'} is no folder" in error_of(words, capsys)
    assert not (DATA_V1 / "teachers").exists()


def test_a_name_that_is_too_long_is_refused_before_any_work(tmp_path, capsys):
    words = [
        "distill",
        str(DATA_V1),
        "--teacher",
        str(RUN_V1),
        "--out",
        str(tmp_path / ("x" * 255)),
    ]
    assert "must have names of at most 255 bytes" in error_of(words, capsys)
    assert not list(tmp_path.iterdir())
    assert not (DATA_V1 / "teachers").exists()


def test_no_folder_is_made_in_a_run_or_in_prepared_data(tmp_path):
    (tmp_path / "run" / "vocabularies").mkdir(parents=True)
    (tmp_path / "run" / "schema.json").touch()
    with pytest.raises(ValueError, match="which is a run or prepared data; name a folder"):
        check_folder("--out", tmp_path / "run" / "student")
    check_folder("--out", tmp_path / "run")


@pytest.mark.parametrize("length", [236, 243, 255])
def test_a_file_of_the_longest_name_is_written_and_what_was_left_of_it_removed(tmp_path, length):
    out = tmp_path / ("x" * length)
    with atomic_write(out) as temporary:
        temporary.write_text("half")
        os.link(temporary, tmp_path / f"{temporary.name[:-14]}.0123abcd.part")
    with atomic_write(out) as temporary:
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "whole"


def test_a_folder_that_is_called_like_a_left_over_file_stays(tmp_path):
    (tmp_path / ".x.csv.deadbeef.part").mkdir()
    with atomic_write(tmp_path / "x.csv") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / ".x.csv.deadbeef.part").is_dir()


def test_a_file_called_dash_is_read_and_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-").write_text("a,click\n" + "x,1\ny,0\n" * 20)
    assert main(["prepare", "./-", "--format", "csv", "--out", "data"]) == 0
    assert (tmp_path / "data" / "schema.json").exists()


@pytest.mark.parametrize("out", ["file", "file/below", "a" * 300, "link to a file"])
def test_a_preparation_that_fails_leaves_nothing_behind(tmp_path, out, capsys):
    (tmp_path / "file").write_text("a user's")
    (tmp_path / "link to a file").symlink_to(tmp_path / "file")
    (tmp_path / "log.csv").write_text("a,click\n" + "x,1\ny,0\n" * 20)
    before = sorted(tmp_path.rglob("*"))
    for more in ([], ["--force"]):
        error_of(
            ["prepare", str(tmp_path / "log.csv"), "--out", str(tmp_path / out), *more], capsys
        )
        assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "a user's"
    (tmp_path / "log.csv").write_text("a,click\n" + "x,1\ny,0\n" * 50_000 + "z,7\n")
    error_of(["prepare", str(tmp_path / "log.csv"), "--out", str(tmp_path / "data")], capsys)
    assert sorted(tmp_path.rglob("*")) == before
