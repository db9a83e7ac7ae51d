"""Where predict and evaluate write: files, pipes, devices, links, and what must not be replaced."""

import json
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from failing import error_of

from ctrkit.cli import main
from ctrkit.cli.outputs import check_output, opened_output, streams

DATA_V1, RUN_V1 = (Path(__file__).parents[1] / "formats" / name for name in ("data_v1", "run_v1"))


@pytest.fixture
def rows(tmp_path) -> Path:
    """A raw file that the small run of the first format scores."""
    path = tmp_path / "rows.csv"
    path.write_text(
        "click,shop,age,price,tags,seen,user\n"
        + "1,shop 1,30,2.5,red|new,2024-03-01T10:00,u1\n0,shop 7,4,1.5,,2024-03-02T11:00,u2\n" * 10
    )
    return path


@pytest.fixture
def scoring(rows) -> list[str]:
    return ["predict", str(RUN_V1), str(rows), "--out"]


def read_pipe(path: Path) -> tuple[threading.Thread, list[bytes]]:
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    return reader, found


def test_a_pipe_gets_the_scores_and_stays_a_pipe(scoring, tmp_path):
    pipe, file = tmp_path / "pipe", tmp_path / "scores.csv"
    os.mkfifo(pipe)
    reader, found = read_pipe(pipe)
    assert main([*scoring, str(pipe)]) == 0
    reader.join(timeout=30)
    assert main([*scoring, str(file)]) == 0
    assert found == [file.read_bytes()]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "rows.csv", "scores.csv"]


def test_a_device_is_written_to_and_not_replaced(scoring, tmp_path):
    assert main([*scoring, "/dev/null"]) == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_full_device_is_named(scoring, capsys):
    assert "/dev/full: No space left on device" in error_of([*scoring, "/dev/full"], capsys)


def test_standard_output_gets_scores_and_nothing_else(scoring, tmp_path, capfd):
    assert main([*scoring, "-"]) == 0
    said = capfd.readouterr()
    assert main([*scoring, str(tmp_path / "scores.csv")]) == 0
    assert said.out == (tmp_path / "scores.csv").read_text()
    assert "20 probabilities written to standard output" in said.err
    assert not Path("-").exists()


def test_figures_go_to_standard_output_and_the_table_aside(rows, capfd):
    assert main(["evaluate", str(RUN_V1), str(rows), "--json", "-"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["rows.csv"]["rows"] == 20
    assert "logloss" in said.err


@pytest.mark.parametrize("target_exists", [True, False])
def test_a_link_is_followed_and_stays(scoring, tmp_path, target_exists):
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    link.symlink_to(target)
    if target_exists:
        target.write_text("old")
    assert main([*scoring, str(link)]) == 0
    assert link.is_symlink()
    assert target.read_text().startswith("probability\n")


def test_a_link_to_itself_is_named(scoring, tmp_path, capsys):
    (tmp_path / "link").symlink_to(tmp_path / "link")
    assert "must not be a link that leads to itself" in error_of(
        [*scoring, str(tmp_path / "link")], capsys
    )


@pytest.mark.parametrize("way", ["itself", "link", "hard link", "relative"])
def test_an_input_is_never_replaced(scoring, rows, tmp_path, capsys, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    before = rows.read_bytes()
    out = Path("other.csv")
    if way == "link":
        out.symlink_to(rows)
    elif way == "hard link":
        os.link(rows, out)
    else:
        out = rows if way == "itself" else Path("rows.csv")
    assert "is one of the inputs" in error_of([*scoring, str(out)], capsys)
    evaluation = ["evaluate", str(RUN_V1), str(rows), "--json", str(out)]
    assert "--json" in error_of(evaluation, capsys)
    assert rows.read_bytes() == before


@pytest.fixture
def folders(tmp_path) -> dict[str, Path]:
    """A run and a folder of prepared data, of which a mistake could destroy a file."""
    made = {}
    for name, folder in (("run", RUN_V1), ("data", DATA_V1)):
        made[name] = tmp_path / name
        for path in folder.rglob("*"):
            copy = made[name] / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                copy.write_bytes(path.read_bytes())
    return made


@pytest.mark.parametrize(
    "out", ["run/config.json", "run/metrics.json", "run/new.csv", "run/checkpoints/x", "data/x"]
)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_nothing_is_written_into_a_run_or_prepared_data(
    folders, rows, tmp_path, capsys, command, out
):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    option = "--out" if command == "predict" else "--json"
    words = [command, str(folders["run"]), str(rows), option, str(tmp_path / out)]
    assert "is a run or prepared data; name a file elsewhere" in error_of(words, capsys)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_users_own_config_json_does_not_make_a_folder_ours(scoring, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert main([*scoring, str(tmp_path / "scores.csv")]) == 0


def test_a_socket_is_no_output(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(ValueError, match="must be a file, a pipe or a terminal"):
            check_output("--out", tmp_path / "s", [])


def test_what_the_process_has_open_is_appended_to_and_not_replaced(tmp_path):
    path = tmp_path / "log"
    with path.open("ab") as file:
        file.write(b"before\n")
        file.flush()
        out = Path(f"/proc/self/fd/{file.fileno()}")
        assert streams(out)
        check_output("--out", out, [])
        inode = path.stat().st_ino
        with opened_output(out) as opened:
            opened.write(b"scores\n")
    assert path.read_bytes() == b"before\nscores\n"
    assert path.stat().st_ino == inode


def test_a_reader_that_goes_early_is_named(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    opened = threading.Thread(target=lambda: os.close(os.open(pipe, os.O_RDONLY)))
    opened.start()

    def write() -> None:
        with opened_output(pipe) as file:
            opened.join()
            for _ in range(100):
                file.write(bytes(1 << 16))

    with pytest.raises(BrokenPipeError) as caught:
        write()
    assert caught.value.filename == str(pipe)


def test_a_users_file_called_like_the_list_of_skipped_rows_stays(scoring, tmp_path):
    mine = tmp_path / "scores.csv.skipped.tsv"
    mine.write_text("my notes\n")
    assert main([*scoring, str(tmp_path / "scores.csv")]) == 0
    assert mine.read_text() == "my notes\n"


def test_rows_skipped_on_the_way_to_a_stream_are_counted_and_the_first_is_named(
    scoring, rows, capfd
):
    rows.write_text(rows.read_text() + "1,shop 1,old,2.5,,2024-03-01T10:00,u1\n")
    assert main([*scoring, "-", "--bad-rows", "skip"]) == 0
    said = capfd.readouterr()
    scores = np.array(said.out.split()[1:], dtype=float)
    assert np.isnan(scores).tolist() == [False] * 20 + [True]
    assert "skipped 1 of 21 rows" in said.err
    assert "line 22: column age" in said.err
