"""What killed processes leave is removed, what living ones write is not."""

import errno
import os
import shutil

import pytest

from ctrkit.data.storing.folder import new_folder
from ctrkit.files.atomic import (
    FILE_SUFFIX,
    FOLDER_SUFFIX,
    atomic_write,
    exchange,
    final_name,
    named_when_full,
    only_writer,
    remove_left_overs,
    temporary_beside,
)


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_the_same(tmp_path):
    (tmp_path / ".x.csv.0123abcd.part").write_text("half")
    with atomic_write(tmp_path / "x.csv") as temporary:
        assert [path.name for path in tmp_path.iterdir()] == [temporary.name]
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_what_is_being_written_stays(tmp_path):
    path = tmp_path / "x"
    with (
        temporary_beside(path, FILE_SUFFIX, lambda p: p.touch()) as file,
        temporary_beside(path, FOLDER_SUFFIX, lambda p: p.mkdir()) as folder,
    ):
        remove_left_overs(tmp_path)
        assert file.exists()
        assert folder.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "x.part",
        ".x.part",
        ".x.0123abcd",
        ".x.0123abcg.part",
        ".x.0123abcd.party",
        ".y.0123abcd.part",
    ],
)
def test_files_of_other_names_stay(tmp_path, name):
    (tmp_path / name).write_text("a user's")
    remove_left_overs(tmp_path, of="x")
    assert (tmp_path / name).exists()


def test_left_overs_of_all_names_are_removed_where_none_is_given(tmp_path):
    (tmp_path / ".a.b.0123abcd.part").touch()
    (tmp_path / ".c.0123abcd.partial" / "inside").mkdir(parents=True)
    (tmp_path / "d").touch()
    remove_left_overs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_temporary_name_tells_the_final_one(tmp_path):
    with temporary_beside(tmp_path / "a.b", FILE_SUFFIX, lambda p: p.touch()) as temporary:
        assert final_name(temporary.name) == "a.b"
    assert final_name("a.b") is None


def test_a_name_taken_for_a_left_over_before_it_was_locked_is_made_anew(tmp_path):
    made = []

    def lose_the_first(path) -> None:
        made.append(path)
        path.touch()
        if len(made) == 1:
            path.unlink()  # as another process does that finds it without a lock

    with temporary_beside(tmp_path / "x", FILE_SUFFIX, lose_the_first) as temporary:
        assert made == [made[0], temporary]
        assert temporary.exists()


def test_a_folder_has_one_writer_at_a_time(tmp_path):
    with (
        only_writer(tmp_path),
        pytest.raises(FileExistsError, match="is being written by another process"),
        only_writer(tmp_path),
    ):
        pass
    with only_writer(tmp_path):
        assert tmp_path.is_dir()


def test_where_a_file_system_has_no_locks_left_overs_stay_and_folders_are_written(
    tmp_path, monkeypatch
):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("ctrkit.files.atomic.fcntl.flock", refuse)
    (tmp_path / ".x.0123abcd.part").touch()
    with only_writer(tmp_path), atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.0123abcd.part", "x"]


def fill(folder, text: str) -> None:
    (folder / "schema.json").write_text(text)


def test_a_folder_whose_replacement_was_killed_gets_its_name_back(tmp_path):
    (tmp_path / ".data.0123abcd.old").mkdir()
    fill(tmp_path / ".data.0123abcd.old", "finished")
    (tmp_path / ".data.0123abcd.partial").mkdir()
    remove_left_overs(tmp_path, of="data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data" / "schema.json").read_text() == "finished"


def test_a_replaced_folder_never_comes_back(tmp_path, monkeypatch):
    out = tmp_path / "data"
    out.mkdir()
    fill(out, "old")
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda path, ignore_errors=False: None)
        with new_folder(out, force=True, durable=False) as folder:
            fill(folder, "new")
    assert (out / "schema.json").read_text() == "new"
    shutil.rmtree(out)  # by its owner
    remove_left_overs(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_folder_is_there_where_the_new_one_cannot_take_its_name(tmp_path, monkeypatch):
    out = tmp_path / "data"
    out.mkdir()
    fill(out, "old")
    rename = type(out).rename

    def fail(path, target):
        if path.suffix == FOLDER_SUFFIX:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(type(out), "rename", fail)
    monkeypatch.setattr("ctrkit.data.storing.folder.exchange", lambda one, other: False)
    with (
        pytest.raises(OSError, match="Input/output"),
        new_folder(out, force=True, durable=False) as folder,
    ):
        fill(folder, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (out / "schema.json").read_text() == "old"


def test_folders_are_exchanged_in_one_step_where_the_system_can(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (one / "in one").touch()
    if not exchange(one, other):
        pytest.skip("this system, or the file system here, cannot exchange names")
    assert (other / "in one").exists()
    assert not list(one.iterdir())


def test_exchanging_with_what_is_not_there_is_an_error(tmp_path):
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_and_its_link_stays(tmp_path, monkeypatch, can_exchange):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    fill(real, "old")
    link.symlink_to(real)
    if not can_exchange:
        monkeypatch.setattr("ctrkit.data.storing.folder.exchange", lambda one, other: False)
    with new_folder(link, force=True, durable=False) as folder:
        fill(folder, "new")
    assert (real / "schema.json").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
    assert link.is_symlink()


def test_a_folder_is_made_where_a_dangling_link_leads(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with new_folder(tmp_path / "link", force=False, durable=False) as folder:
        fill(folder, "new")
    assert (tmp_path / "there" / "schema.json").read_text() == "new"


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with (
        pytest.raises(OSError, match="leads to itself"),
        new_folder(tmp_path / "link", force=False, durable=False),
    ):
        pass


def test_a_second_process_is_refused_the_same_new_folder(tmp_path):
    with new_folder(tmp_path / "data", force=False, durable=False) as folder:
        with (
            pytest.raises(FileExistsError, match="data is being written by another process"),
            new_folder(tmp_path / "data", force=True, durable=False),
        ):
            pass
        fill(folder, "the first one's")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_folder_that_a_killed_process_was_making_is_made_by_the_next(tmp_path):
    (tmp_path / ".data.00000000.partial" / "half").mkdir(parents=True)
    with new_folder(tmp_path / "data", force=False, durable=False) as folder:
        assert not list(folder.iterdir())
        fill(folder, "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_without_locks_a_left_over_folder_does_not_stand_in_the_way(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("ctrkit.files.atomic.fcntl.flock", refuse)
    (tmp_path / ".data.00000000.partial").mkdir()
    with new_folder(tmp_path / "data", force=False, durable=False) as folder:
        fill(folder, "whole")
    assert (tmp_path / "data" / "schema.json").read_text() == "whole"


def test_what_appeared_meanwhile_under_the_name_of_a_new_folder_stays(tmp_path):
    out = tmp_path / "data"

    def make() -> None:
        with new_folder(out, force=False, durable=False) as folder:
            fill(folder, "new")
            out.mkdir()
            (out / "notes.txt").write_text("a user's")

    with pytest.raises(FileExistsError, match="was put there meanwhile"):
        make()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (out / "notes.txt").read_text() == "a user's"


@pytest.mark.parametrize(
    "name", ["notes.txt", "run/config.json", "train/ids.csv", "vocabularies/x", "teachers/readme"]
)
def test_a_folder_with_anything_of_a_users_own_is_not_replaced(tmp_path, name):
    out = tmp_path / "data"
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_text("a user's")
    with (
        pytest.raises(FileExistsError, match="move it elsewhere, or name another folder"),
        new_folder(out, force=True, durable=False) as folder,
    ):
        fill(folder, "new")
    assert (out / name).read_text() == "a user's"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_pipe_that_is_called_like_a_left_over_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / ".x.deadbeef.part")
    remove_left_overs(tmp_path)
    with atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / ".x.deadbeef.part").exists()


def test_the_error_of_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match="free space") as caught, named_when_full(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "x")
    assert caught.value.errno == errno.ENOSPC


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), named_when_full(tmp_path / "x"):
        (tmp_path / "other").read_text()
