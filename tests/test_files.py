"""Files are whole or not there."""

import json

import pytest

from ctrkit.files import save_json, written_aside


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
    save_json(tmp_path / "x.json", {"name": "Zürich", "value": 0.1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"name": "Zürich", "value": 0.1}
