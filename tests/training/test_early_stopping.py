"""Patience counts gains that are worth waiting for; the best weights are kept at any gain."""

from itertools import count

import pytest
import torch
from small_rows import make_rows

from ctrkit.models import CrossNet
from ctrkit.training import Record, TrainConfig, Trainer
from ctrkit.training.checkpoints.resume import FORMAT_VERSION, unfinished
from ctrkit.training.checkpoints.weights import load_tensors, save_tensors
from ctrkit.training.early_stopping import EarlyStopping

TRAIN, VALID = make_rows(300), make_rows(200, seed=1)


def stopping_after(figures, **options):
    """Return how many validations came before the run stopped, and which was the best."""
    stopping = EarlyStopping(TrainConfig(**options))
    best = None
    for number, figure in enumerate(figures, 1):
        record = Record(
            step=number,
            epoch=number,
            train_loss=0.5,
            valid_auc=figure,
            valid_logloss=figure,
            valid_criterion=None,
            learning_rate=1e-3,
            rows_per_second=1.0,
            elapsed_seconds=1.0,
            best=False,
        )
        if stopping.add(record).best:
            best = number
        if stopping.stops:
            return number, best
    return None, best


def test_tiny_gains_are_kept_but_do_not_keep_a_run_alive():
    figures = [0.7, 0.75, *(0.75 + 1e-6 * n for n in range(1, 50))]
    assert stopping_after(figures, patience=4) == (6, 6)
    assert stopping_after(figures, patience=4, min_gain=0.0) == (None, 51)


def test_small_gains_add_up():
    figures = [0.7 + 4e-6 * n for n in range(40)]  # 1.2e-5 in three validations
    assert stopping_after(figures, patience=4) == (None, 40)
    assert stopping_after(figures, patience=3) == (None, 40)
    assert stopping_after(figures, patience=2) == (3, 3)


def test_a_smaller_logloss_is_a_gain():
    figures = [0.5, 0.4, 0.4 - 1e-6, 0.4 - 2e-6]
    assert stopping_after(figures, patience=2, monitor="logloss") == (4, 4)
    assert stopping_after(figures, patience=2, monitor="auc") == (3, 1)


def test_an_equal_figure_is_no_gain():
    assert stopping_after([0.7, 0.7, 0.7], patience=2, min_gain=0.0) == (3, 1)


def test_without_validation_rows_nothing_stops():
    assert stopping_after([None] * 9, patience=1) == (None, 9)


def test_a_run_stops_and_says_why():
    figures = (1.0 - 1e-6 * n for n in count())
    config = TrainConfig(epochs=50, batch_size=100, patience=3, min_gain=1e-4)
    result = Trainer(config).fit(
        CrossNet([6] * 3, embedding_dim=2), TRAIN, VALID, criterion=lambda _: next(figures)
    )
    assert len(result.history) == 4
    assert result.best == result.history[3]
    assert result.stopped == "no validation better by 0.0001 in 3"


class Crash(BaseException):
    """What a power cut is to a process."""


class StopAt:
    def __init__(self, validation):
        self.left = validation

    def on_start(self, *, total_steps, num_rows, done_rows): ...
    def on_end(self): ...
    def on_validation(self, record):
        self.left -= 1

    def on_step(self, *, step, rows, loss):
        if self.left == 0:
            raise Crash


def run(folder, *, observers=(), resume=False, start=0):
    figures = (1.0 - 1e-6 * n for n in count(start))
    torch.manual_seed(0)
    config = TrainConfig(
        epochs=20, batch_size=100, validations_per_epoch=1, patience=4, checkpoint_steps=1
    )
    return Trainer(config, observers=observers).fit(
        CrossNet([6] * 3, embedding_dim=2),
        TRAIN,
        VALID,
        criterion=lambda _: next(figures),
        checkpoints=folder,
        resume=resume,
    )


@pytest.mark.parametrize("is_old", [False, True])
def test_patience_goes_on_where_it_was(tmp_path, is_old):
    whole = run(tmp_path / "whole")
    assert len(whole.history) == 5
    with pytest.raises(Crash):
        run(tmp_path / "cut", observers=[StopAt(3)])
    if is_old:  # as a version without the option has written it
        (path,) = unfinished(tmp_path / "cut")
        state = load_tensors(path)
        del state["recipe"]["min_gain"]
        save_tensors(path, {**state, "format_version": FORMAT_VERSION, "since_better": 0})
    again = run(tmp_path / "cut", resume=True, start=3)
    assert [r.valid_criterion for r in again.history] == [r.valid_criterion for r in whole.history]
    assert again.steps == whole.steps
