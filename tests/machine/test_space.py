"""Space that long work needs: refused where it is not there."""

import re
import shutil
from types import SimpleNamespace

import pytest

from ctrkit.machine import space
from ctrkit.machine.space import SpaceError, check_disk, check_memory, free_disk


@pytest.fixture
def disk(monkeypatch):
    """Pretend that every disk has this many bytes free."""

    def pretend(free: int) -> None:
        monkeypatch.setattr(space.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    return pretend


def test_memory_is_refused_where_more_is_needed_than_free():
    said = (
        "training needs about 3.1 GB of memory, 2.0 GB are free; take less; or skip this check "
        "with check_space false (--no-check-space)"
    )
    with pytest.raises(SpaceError, match=f"^{re.escape(said)}$"):
        check_memory("training", 3_100_000_000, 2_000_000_000, advice="take less")


@pytest.mark.parametrize("free", [5, None])
def test_memory_that_is_just_there_or_unknown_is_not_refused(free):
    check_memory("training", 5, free, advice="take less")


def test_disk_counts_the_files_that_go_before(disk, tmp_path):
    disk(100)
    check_disk("training", 150, tmp_path / "run", replaced=50)
    with pytest.raises(SpaceError, match="make room, or name another folder"):
        check_disk("training", 151, tmp_path / "run", replaced=50)


def test_free_disk_is_that_of_the_folder_that_exists(tmp_path, monkeypatch):
    asked = []
    usage = shutil.disk_usage
    monkeypatch.setattr(space.shutil, "disk_usage", lambda at: asked.append(at) or usage(at))
    assert free_disk(tmp_path / "not" / "yet") > 0
    assert asked == [tmp_path]
