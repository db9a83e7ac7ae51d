"""Files are whole or not there."""

import zlib

import pytest

from ctrkit.files.atomic import atomic_write
from ctrkit.files.checks import MAX_DEPTH, check_depth
from ctrkit.files.json_files import MAX_VALUES, load_json, save_json


def test_the_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "x.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as temporary:
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


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    path.chmod(0o600)
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_json_of_too_many_values_is_neither_parsed_nor_written(tmp_path):
    message = r"json must have at most 16 MiB and 400,000 values, got"
    (tmp_path / "x.json").write_text(f'{{"a": [{"[]," * MAX_VALUES}[]]}}')
    with pytest.raises(ValueError, match=message):
        load_json(tmp_path / "x.json")
    with pytest.raises(ValueError, match=message):
        save_json(tmp_path / "y.json", {"a": [[]] * MAX_VALUES})
    assert not (tmp_path / "y.json").exists()


def test_a_checksum_is_compared_before_json_is_parsed(tmp_path):
    path = tmp_path / "x.json"
    content = {"a": [1.5, "Zürich"], "name": "\udcff"}
    save_json(path, content)
    text = path.read_text()
    assert text.splitlines()[-2].startswith('  "checksum": "text:')
    path.write_text(text.replace("[", "[["))  # no JSON at all
    with pytest.raises(ValueError, match=r"x.json is damaged: its checksum differs"):
        load_json(path)
    path.write_text(text + "\n\n")
    assert load_json(path) == content


@pytest.mark.parametrize(
    "content",
    [
        '{"checksum": "text:00000000"}',
        '{"checksum": "text:00000000", "a": 1}',
        '{"a": 1, "checksum": "text:5d5d5d5d"}',
        '{"a": 1, "checksum": "text:xyz"}',
        '{"a": 1, "checksum": 3}',
        '{"a": 1, "checksum": []}',
        '{"a": {"checksum": "text:00000000"}}',
    ],
)
def test_a_checksum_stands_at_the_end_and_is_right(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match=r"x.json is damaged: it(s| has no) checksum"):
        load_json(tmp_path / "x.json")


def test_json_from_before_checksums_were_of_the_text_is_read(tmp_path):
    path = tmp_path / "x.json"
    summed = zlib.crc32(b'{"a": [0.5], "b": 1}')
    path.write_text(f'{{"b": 1, "a": [0.5], "checksum": "{summed:08x}"}}')
    assert load_json(path) == {"a": [0.5], "b": 1}
    path.write_text('{"b": 1, "a": [0.5], "checksum": "2a8bf4c5"}')
    with pytest.raises(ValueError, match="its checksum differs"):
        load_json(path)


def test_depth_is_counted_once_for_what_is_shared():
    nest: list[object] = []
    for _ in range(MAX_DEPTH - 1):
        nest = [nest] * 3
    check_depth(nest)
    with pytest.raises(ValueError, match="at most 32 deep"):
        check_depth([nest, nest])
    with pytest.raises(ValueError, match="at most 32 deep"):
        check_depth((nest,))
