"""A few kills of each command; `make faults` does the same with many more."""

from dataclasses import replace

import pytest
from fault_commands import all_commands
from killing import BrokenPromiseError, Command, Whole, killed_often, survives, undisturbed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepare(inputs) -> Command:
    return all_commands(inputs)["prepare"]


@pytest.fixture(scope="module")
def prepared(prepare, tmp_path_factory) -> Whole:
    return undisturbed(prepare, tmp_path_factory.mktemp("undisturbed") / "prepare")


def test_a_killed_preparation_leaves_nothing_and_ends_the_same(prepare, prepared, tmp_path):
    assert killed_often(prepare, tmp_path, prepared, kills=2, seed="short").total() == 2


def test_another_result_after_a_kill_is_found_out(prepare, prepared, tmp_path):
    another = replace(prepare, again=lambda folder: [*prepare.words(folder), "--seed", "2"])
    with pytest.raises(BrokenPromiseError, match=r"train/ids\.npy.* must be as undisturbed"):
        survives(another, tmp_path / "case", prepared, [0.0])


@pytest.mark.parametrize("name", ["predict", "train", "distill"])
def test_a_killed_command_goes_on_and_ends_the_same(inputs, tmp_path, name):
    command = all_commands(inputs)[name]
    whole = undisturbed(command, tmp_path / "undisturbed")
    assert killed_often(command, tmp_path, whole, kills=3, seed="short").total() == 3
