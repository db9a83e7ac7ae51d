"""A run that was interrupted goes on as if it had not been."""

import os
import signal
from dataclasses import asdict

import numpy as np
import pytest
import torch
from small_rows import make_rows

from ctrkit.machine.signals import Interrupted
from ctrkit.models import DCNv2, EulerNet
from ctrkit.training import TrainConfig, Trainer
from ctrkit.training.checkpoints.resume import unfinished

TRAIN, VALID = make_rows(600), make_rows(300, seed=1)
TIMES = {"elapsed_seconds", "rows_per_second"}
STEPS_PER_EPOCH = 10

RUNS = {
    "dense, dropout": {"table_optimizer": "dense", "schedule": "cosine"},
    "lazy, plateau": {
        "table_optimizer": "lazy",
        "schedule": "plateau",
        "plateau_patience": 1,
        "learning_rate": 0.3,
        "patience": 99,
    },
    "adagrad, blocks": {"table_optimizer": "adagrad", "shuffle": "blocks", "optimizer": "adamw"},
    "stops early": {"learning_rate": 1e-12, "schedule": "constant", "patience": 2},
    "validates in between": {"validate_every": 3, "clip_norm": 0.1, "chunk_rows": 16},
}


class Crash(BaseException):
    """What a power cut is to a process."""


class At:
    """Does something after a step."""

    def __init__(self, step, action):
        self.step, self.action = step, action
        self.validations = []

    def on_start(self, *, total_steps, num_rows, done_rows):
        self.done_rows = done_rows

    def on_step(self, *, step, rows, loss):
        if step == self.step:
            self.action()

    def on_validation(self, record):
        self.validations.append(record.step)

    def on_end(self): ...


def crash():
    raise Crash


def make_model(kind="eulernet"):
    torch.manual_seed(0)
    if kind == "dcnv2":
        return DCNv2([6] * 3, embedding_dim=4, hidden_dims=[8], dropout=0.2, batch_norm=True)
    return EulerNet([6] * 3, embedding_dim=4, orders=[6], dropout_ex=0.2, dropout_im=0.2)


def fit(folder, *, resume=False, observer=None, model=None, criterion=None, **options):
    """Return the weights at the end and the history without times."""
    model = model or make_model()
    settings = {"epochs": 4, "batch_size": 60, "checkpoint_steps": 4, **options}
    trainer = Trainer(TrainConfig(**settings), observers=[observer] if observer else [])
    result = trainer.fit(
        model, TRAIN, VALID, checkpoints=folder, resume=resume, criterion=criterion
    )
    records = [
        {name: value for name, value in asdict(record).items() if name not in TIMES}
        for record in result.history
    ]
    return model.state_dict(), records, result.stopped


def assert_same(one, other):
    weights, records, stopped = one
    assert records == other[1]
    assert stopped == other[2]
    for name, value in weights.items():
        assert torch.equal(value, other[0][name]), name


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("step", [2, 10, 14])
def test_a_crashed_run_goes_on_to_the_same_end(tmp_path, name, step):
    expected = fit(tmp_path / "whole", **RUNS[name])
    with pytest.raises(Crash):
        fit(tmp_path / "run", observer=At(step, crash), **RUNS[name])
    torch.rand(7)  # another process has other random numbers
    watch = At(None, crash)
    assert_same(fit(tmp_path / "run", resume=True, observer=watch, **RUNS[name]), expected)
    kept = 4 * ((step - 1) // 4)  # the crash comes before the checkpoint of its own step
    epochs, steps = divmod(kept, STEPS_PER_EPOCH)
    assert watch.done_rows == epochs * len(TRAIN.labels) + steps * 60


def test_batch_norm_goes_on_too(tmp_path):
    expected = fit(tmp_path / "whole", model=make_model("dcnv2"))
    with pytest.raises(Crash):
        fit(tmp_path / "run", observer=At(17, crash), model=make_model("dcnv2"))
    assert_same(fit(tmp_path / "run", resume=True, model=make_model("dcnv2")), expected)


def test_a_second_crash_is_no_worse(tmp_path):
    expected = fit(tmp_path / "whole")
    for step in (10, 23, 37):
        with pytest.raises(Crash):
            fit(tmp_path / "run", resume=True, observer=At(step, crash))
    assert_same(fit(tmp_path / "run", resume=True), expected)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_after_the_step(tmp_path, number):
    expected = fit(tmp_path / "whole")
    before = signal.getsignal(number)
    send = At(13, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match=r"after step 13, whose state is in .*step-000000013\.pt"):
        fit(tmp_path / "run", observer=send)
    assert signal.getsignal(number) is before
    again = At(13, crash)  # step 13 is not made again
    assert_same(fit(tmp_path / "run", resume=True, observer=again), expected)
    assert again.validations == [record["step"] for record in expected[1]]


def test_a_signal_while_validating_does_not_wait_for_its_end(tmp_path):
    calls = []

    def distance(logits):
        return float(np.square(logits).mean())

    def interrupting(logits):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("the signal comes first")
        return distance(logits)

    expected = fit(tmp_path / "whole", criterion=distance)
    with pytest.raises(Interrupted, match="after step 10") as raised:
        fit(tmp_path / "run", criterion=interrupting)
    assert raised.value.signal_number == signal.SIGTERM
    assert_same(fit(tmp_path / "run", resume=True, criterion=distance), expected)


def test_without_a_folder_ctrl_c_is_pythons_own():
    with pytest.raises(KeyboardInterrupt) as raised:
        fit(None, observer=At(3, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert not isinstance(raised.value, Interrupted)


def test_the_newest_checkpoints_are_kept_and_go_when_a_run_begins_anew(tmp_path):
    with pytest.raises(Crash):
        fit(tmp_path, observer=At(20, crash), keep_checkpoints=2)
    names = [path.name for path in unfinished(tmp_path)]
    assert names == ["step-000000012.pt", "step-000000016.pt"]
    with pytest.raises(Crash):
        fit(tmp_path, observer=At(1, crash))
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.5}, r"is of a run with learning_rate 0\.002, got 0\.5; resume with"),
        (
            {"model": EulerNet([6] * 3, embedding_dim=8, orders=[6])},
            "weight embedding.tables.0 must be float32 of shape",
        ),
    ],
)
def test_another_run_is_refused(tmp_path, options, message):
    with pytest.raises(Crash):
        fit(tmp_path, observer=At(10, crash))
    with pytest.raises(ValueError, match=message):
        fit(tmp_path, resume=True, **options)


def test_how_often_checkpoints_are_written_may_change(tmp_path):
    expected = fit(tmp_path / "whole")
    with pytest.raises(Crash):
        fit(tmp_path / "run", observer=At(10, crash))
    assert_same(fit(tmp_path / "run", resume=True, checkpoint_steps=7), expected)


def test_a_damaged_checkpoint_is_named(tmp_path):
    with pytest.raises(Crash):
        fit(tmp_path, observer=At(10, crash))
    path = unfinished(tmp_path)[-1]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=f"{path.name} must be a ctrkit checkpoint"):
        fit(tmp_path, resume=True)


def test_resuming_needs_a_folder():
    with pytest.raises(ValueError, match="resume needs the folder of the checkpoints"):
        fit(None, resume=True)
