"""The command as a process: signals at any moment, streams closed or full, too little memory."""

import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctrkit.synthetic import generate

COMMAND = [sys.executable, "-m", "ctrkit"]


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "criteo.txt"
    generate(path, rows=2000, seed=1)
    return path


def preparing(log: Path, out: Path) -> list[str]:
    return [*COMMAND, "prepare", str(log), "--format", "criteo", "--out", str(out)]


@pytest.mark.parametrize(
    ("closed", "status"), [("2>&-", 0), ("2>/dev/full", 0), ("<&- >&- 2>&-", 1), (">&-", 1)]
)
def test_the_work_is_done_where_a_stream_is_closed_or_full(log, tmp_path, closed, status):
    words = subprocess.list2cmdline(preparing(log, tmp_path / "data"))
    assert subprocess.run(["bash", "-c", f"{words} {closed}"]).returncode == status
    assert (tmp_path / "data" / "schema.json").exists()


def test_a_full_standard_output_is_said_once_the_work_is_done(log, tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            preparing(log, tmp_path / "data"), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == (
        "ctrkit prepare: error: cannot write to standard output: No space left on device\n"
    )
    assert (tmp_path / "data" / "schema.json").exists()


@pytest.mark.parametrize("seconds", [0.15, 0.4, 0.9])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_moments_ends_a_command_in_one_line(number, seconds):
    process = subprocess.Popen(
        [*COMMAND, "train", "--help"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    # Before Python runs a line of ours nothing can be said; a quick machine may be done already.
    assert process.returncode in (0, 128 + number, -number)
    assert said in ("", "ctrkit: interrupted\n")


@pytest.mark.slow
def test_signals_at_any_moment_leave_one_line_and_nothing_half(tmp_path, log):
    raw = tmp_path / "raw.txt"
    raw.write_bytes(log.read_bytes() * 100)
    draw = random.Random(7)
    for _ in range(12):
        process = subprocess.Popen(
            preparing(raw, tmp_path / "data"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(draw.uniform(0.1, 4))
        number = draw.choice([signal.SIGINT, signal.SIGTERM])
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert process.returncode in (0, 128 + number, -number)
        assert "Traceback" not in said
        assert {path.name for path in tmp_path.iterdir()} <= {"raw.txt", "data"}


@pytest.mark.slow
@pytest.mark.parametrize("mebibytes", [150, 250, 350, 500, 700, 900, 950, 1000, 1200])
def test_too_little_memory_is_said_in_one_line(log, tmp_path, mebibytes):
    limit = mebibytes << 20

    def set_limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    words = [*COMMAND, "train", str(log), "--format", "criteo", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*words, "--epochs", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=set_limit,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    if done.returncode:
        assert "error" in done.stderr


def test_a_job_that_needs_more_than_the_shell_allows_says_so(log, tmp_path):
    limit = 1500 << 20
    words = [*COMMAND, "train", str(log), "--format", "criteo", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*words, "--embedding-dim", "30000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        timeout=60,
    )
    assert done.returncode == 1
    assert "of memory" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "config.json").exists()
