"""The training bar shows what is known, and nothing else."""

import io
import re
import sys
from unittest import mock

import pytest

from ctrkit.cli.progress import TrainingBar
from ctrkit.training import Record


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal():
    return Terminal()


def record(auc, *, best=True, criterion=None) -> Record:
    return Record(
        step=20,
        epoch=1.0,
        train_loss=0.5,
        valid_auc=auc,
        valid_logloss=None if auc is None else 0.4,
        valid_criterion=criterion,
        learning_rate=1e-3,
        rows_per_second=100.0,
        elapsed_seconds=1.0,
        best=best,
    )


def beside(bar: TrainingBar) -> str:
    return bar._bar.postfix or ""


def started(terminal, *, done_rows=0, bar=None) -> TrainingBar:
    bar = bar or TrainingBar(lines=False)
    # Not for a whole test: pytest puts its own streams in their place.
    with mock.patch.object(sys, "stderr", terminal):
        bar.on_start(total_steps=40, num_rows=100, done_rows=done_rows)
    return bar


def test_nothing_is_shown_before_it_is_known(terminal):
    bar = started(terminal)
    bar.on_step(step=1, rows=10, loss=None)
    assert beside(bar) == ""
    bar.on_step(step=20, rows=10, loss=0.6)
    assert beside(bar) == "loss=0.6000"
    bar.on_end()
    assert "nan" not in terminal.getvalue()


def test_a_validation_is_shown_at_once(terminal):
    bar = started(terminal)
    bar.on_step(step=20, rows=10, loss=0.6)
    bar.on_validation(record(0.7))
    assert beside(bar) == "loss=0.6000, best_auc=0.70000"
    bar.on_validation(record(0.65, best=False))
    assert beside(bar) == "loss=0.6000, best_auc=0.70000"
    bar.on_validation(record(0.75))
    assert beside(bar) == "loss=0.6000, best_auc=0.75000"
    bar.on_end()


def test_a_run_without_validation_rows_has_no_best(terminal):
    bar = started(terminal)
    bar.on_validation(record(None))
    assert beside(bar) == ""
    bar.on_end()


def test_a_resumed_run_shows_what_its_earlier_validations_were(terminal):
    bar = started(terminal, done_rows=250)
    assert bar._bar.n == 50
    for auc, best in ((0.7, True), (0.72, True), (0.71, False)):
        bar.on_validation(record(auc, best=best))
    assert beside(bar) == "best_auc=0.72000"
    bar.on_step(step=60, rows=10, loss=0.5)
    assert beside(bar) == "best_auc=0.72000, loss=0.5000"
    bar.on_end()
    assert "epoch 3" in terminal.getvalue()


def test_another_run_begins_with_nothing(terminal):
    bar = started(terminal)
    bar.on_step(step=20, rows=10, loss=0.6)
    bar.on_validation(record(0.7))
    bar.on_end()
    started(terminal, bar=bar)
    assert beside(bar) == ""
    bar.on_end()


def test_no_figure_on_the_screen_is_of_an_earlier_validation(terminal):
    bar = started(terminal)
    for step in range(1, 11):
        bar.on_step(step=step, rows=10, loss=0.6)
        bar.on_validation(record(0.7 + step / 100))
        bar._bar.refresh()
    bar.on_end()
    shown = re.findall(r"best_auc=([\d.]+)", terminal.getvalue())
    assert shown == sorted(shown)
    assert shown[-1] == "0.80000"


def test_without_a_standard_error_nothing_is_shown(capsys):
    bar = TrainingBar()
    started(None, bar=bar)
    with mock.patch.object(sys, "stderr", None):
        bar.on_step(step=20, rows=10, loss=0.6)
        bar.on_validation(record(0.7))
        bar.on_end()
    assert capsys.readouterr().out == ""
