"""A few kills of each command; `make faults` does the same with many more."""

import random
from dataclasses import replace

import pytest
from fault_commands import all_commands
from killing import BrokenPromiseError, Command, Whole, survives, undisturbed


@pytest.fixture(scope="module")
def prepare(inputs) -> Command:
    return all_commands(inputs)["prepare"]


@pytest.fixture(scope="module")
def prepared(prepare, tmp_path_factory) -> Whole:
    return undisturbed(prepare, tmp_path_factory.mktemp("undisturbed") / "prepare")


def kill(command: Command, whole: Whole, folder, *, times: int) -> list[str]:
    """Kill a command so many times, each in a case of its own, and return where it was."""
    draw = random.Random(command.name)
    phases = []
    for case in range(times):
        # Not in the last fifth: two runs differ in length, and on a busy machine by much.
        moment = draw.uniform(0, 0.8 * whole.seconds)
        phases += survives(command, folder / str(case), whole, [moment])
    return phases


def test_a_killed_preparation_leaves_nothing_and_ends_the_same(prepare, prepared, tmp_path):
    assert kill(prepare, prepared, tmp_path, times=2)


@pytest.mark.slow
def test_another_result_after_a_kill_is_found_out(prepare, prepared, tmp_path):
    another = replace(prepare, again=lambda folder: [*prepare.words(folder), "--seed", "2"])
    with pytest.raises(BrokenPromiseError, match=r"train/ids\.npy.* must be as undisturbed"):
        survives(another, tmp_path / "case", prepared, [0.0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["predict", "train", "distill"])
def test_a_killed_command_goes_on_and_ends_the_same(inputs, tmp_path, name):
    command = all_commands(inputs)[name]
    assert kill(command, undisturbed(command, tmp_path / "undisturbed"), tmp_path, times=3)
