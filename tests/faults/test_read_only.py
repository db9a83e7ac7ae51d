"""Folders that cannot be written: said at once, and nothing is changed."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_commands import all_commands
from killing import OUT

DROP_FROM_BOUNDING_SET, OVERRIDE_MODES = 24, 1
"""``PR_CAPBSET_DROP`` and ``CAP_DAC_OVERRIDE`` of Linux."""


def heed_modes() -> None:
    """Let a program that is started by root heed the modes of folders, as anybody's must."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, OVERRIDE_MODES, 0, 0, 0)


@pytest.fixture
def read_only(tmp_path) -> Path:
    folder = tmp_path / OUT
    folder.mkdir(mode=0o555)
    done = subprocess.run(["touch", str(folder / "x")], preexec_fn=heed_modes, capture_output=True)
    if done.returncode == 0:
        pytest.skip("whoever runs this writes in read-only folders, and cannot give up the right")
    return folder


SLOWER = ("predict", "train", "distill")


@pytest.mark.parametrize(
    "name", ["prepare", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOWER)]
)
def test_a_folder_that_cannot_be_written_is_named(inputs, read_only, name):
    command = all_commands(inputs)[name]
    command.set_up(read_only.parent)
    done = subprocess.run(
        [sys.executable, "-m", "ctrkit", *command.words(read_only.parent)],
        preexec_fn=heed_modes,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"ctrkit {name}: error: ")
    assert str(read_only) in said
    assert "not writable" in said or "Permission denied" in said
    assert list(read_only.iterdir()) == []


@pytest.mark.slow
def test_a_teacher_whose_logits_cannot_be_kept_is_not_trained(inputs, read_only, tmp_path):
    command = all_commands(inputs)["distill"]
    command.set_up(tmp_path)
    read_only.chmod(0o755)
    (tmp_path / "data").chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-m", "ctrkit", *command.words(tmp_path)],
        preexec_fn=heed_modes,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "cannot keep the teacher's logits in" in done.stderr.splitlines()[-1]
    assert list(read_only.iterdir()) == []
