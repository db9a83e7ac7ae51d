"""A disk without room: one clear line, nothing half, and the same result once there is room."""

import contextlib
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from failing import error_of
from fault_commands import all_commands
from killing import OUT

from ctrkit.cli import main
from ctrkit.files.atomic import final_name


@contextlib.contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """Let writing fail beyond so many bytes of a file, as on a full disk; needs no rights."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("name", "num_bytes"),
    [
        ("prepare", 1000),  # the cells put aside
        ("prepare", 200_000),  # the rows
        ("predict", 10_000),
        ("train", 100),  # config.json
        ("train", 20_000),  # the first checkpoint
        pytest.param("distill", 20_000, marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_named_and_leaves_nothing_half(inputs, tmp_path, capsys, name, num_bytes):
    command = all_commands(inputs)[name]
    whole, full = tmp_path / "whole", tmp_path / "full"
    for folder in (whole, full):
        (folder / OUT).mkdir(parents=True)
        command.set_up(folder)
    with largest_file(num_bytes):
        said = error_of(command.words(full), capsys)
    assert str(full) in said
    assert "File too large; free space there" in said
    assert not command.is_whole(full)
    assert [path for path in full.rglob("*") if final_name(path.name)] == []
    command.check_killed(full)
    assert main(command.words(whole)) == main(command.again(full)) == 0
    assert command.result(full) == command.result(whole)


IN_A_SMALL_DISK = """
mount -t tmpfs -o size="$1" none "$2" || exit 77
"$3" -m ctrkit "${@:4}"
echo "status $?" $(ls -A "$2")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("prepare", "256k"), ("predict", "16k")])
def test_a_small_disk_is_filled(inputs, tmp_path, name, size):
    command = all_commands(inputs)[name]
    out = tmp_path / OUT
    out.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("a disk for one command needs unshare")
    words = ["unshare", "--mount", "--map-root-user", "bash", "-c", IN_A_SMALL_DISK, "bash"]
    words += [size, str(out), sys.executable, *command.words(tmp_path)]
    words.append("--no-check-space")  # or it would be refused before
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a disk for one command needs the right to mount: {done.stderr.strip()}")
    assert done.stdout.split() == ["status", "1"]  # and no file
    said = done.stderr.splitlines()[-1]
    assert str(out) in said
    assert "No space left on device; free space there" in said
