"""Files are whole or not there."""

import json

import pytest

from ctrkit.files import load_json, save_json, written_aside


def test_the_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "x.txt"
    with written_aside(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail() -> None:
        with written_aside(path) as temporary:
            temporary.write_text("new, but not whole")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_refused_where_it_has_no_number_for_a_value(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save_json(tmp_path / "x.json", {"auc": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_json_reads_back(tmp_path):
    content = {"name": "Zürich", "value": 0.1, "by_number": {9: 1, 10: 2}, "bytes": "\udcff"}
    save_json(tmp_path / "x.json", content)
    assert load_json(tmp_path / "x.json") == content | {"by_number": {"9": 1, "10": 2}}


def test_what_is_the_users_own_has_no_checksum(tmp_path):
    save_json(tmp_path / "x.json", {"auc": 0.7}, checksum=False)
    assert json.loads((tmp_path / "x.json").read_text()) == {"auc": 0.7}


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    path.chmod(0o600)
    with written_aside(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
