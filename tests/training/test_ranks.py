"""What the processes of a training must agree on: the loop decides nothing by itself."""

import ast
import inspect
import signal
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_rows import make_rows

from ctrkit.machine import Interrupted
from ctrkit.models import CrossNet
from ctrkit.training import Observer, Ranks, TrainConfig, Trainer
from ctrkit.training import loop as module

TRAIN, VALID = make_rows(200, seed=1), make_rows(100, seed=2)
CONFIG = TrainConfig(epochs=3, batch_size=20, device="cpu", learning_rate=0.01, patience=9)


@pytest.fixture(autouse=True)
def settings_of_the_process():
    """Put back what two loops in one process, each of which puts it back for itself, mix up."""
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    yield
    torch.set_float32_matmul_precision(precision)
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


def make_model():
    torch.manual_seed(0)
    return CrossNet([6, 6, 6], embedding_dim=4, num_layers=1)


class Two:
    """Two processes, as threads that exchange their answers."""

    def __init__(self):
        self.barrier = threading.Barrier(2, timeout=20)
        self.answers = [None, None]
        self.asked = (Counter(), Counter())

    def exchange(self, rank, question, answer):
        self.asked[rank][question] += 1
        self.answers[rank] = (question, answer)
        self.barrier.wait()
        questions, answers = zip(*self.answers, strict=True)
        self.barrier.wait()
        assert questions[0] == questions[1], "the processes are at different places"
        return answers

    def run(self, *tasks):
        """Run a function of a `Ranks` on each process; return what it returns or raises."""
        found = [None, None]

        def work(rank):
            try:
                found[rank] = tasks[rank](OneOfTwo(self, rank))
            except BaseException as error:
                found[rank] = error
                if not isinstance(error, (Interrupted, FloatingPointError)):
                    self.barrier.abort()

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


class OneOfTwo(Ranks):
    size = 2

    def __init__(self, two, rank):
        self.two = two
        self.rank = rank

    def largest(self, *votes):
        answers = self.two.exchange(self.rank, "largest", votes)
        return tuple(map(max, *answers))

    def first(self, answer):
        return self.two.exchange(self.rank, "first", answer)[0]

    def wait(self):
        self.two.exchange(self.rank, "wait", None)


class Watcher(Observer):
    def __init__(self):
        self.steps = 0
        self.records = []

    def on_step(self, *, step, rows, loss):
        del rows, loss
        self.steps = step

    def on_validation(self, record):
        self.records.append(record)


def trains(folder, watcher, *, config=CONFIG, change=None):
    """Return the work of one process, whose model `change` may spoil."""
    model = make_model()  # here, for threads share the generator
    if change is not None:
        change(model)

    def work(ranks):
        trainer = Trainer(config, observers=[watcher], ranks=ranks)
        return trainer.fit(model, TRAIN, VALID, checkpoints=folder), model

    return work


def test_two_processes_end_with_the_same_weights_and_one_writes(tmp_path):
    watchers = Watcher(), Watcher()
    (first, one), (second, other) = Two().run(
        *(trains(tmp_path / "run", watcher) for watcher in watchers)
    )
    assert first.history == second.history
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    assert watchers[0].steps == 30
    assert watchers[1].steps == 0  # only the first process tells its observers
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["best.pt", "last.pt"]


def test_alone_is_what_it_was_before_there_were_ranks(tmp_path):
    alone = Trainer(CONFIG).fit(make_model(), TRAIN, VALID, checkpoints=tmp_path / "alone")
    (first, _), _ = Two().run(*(trains(tmp_path / "run", Watcher()) for _ in range(2)))
    figures = [(r.valid_auc, r.valid_logloss, r.train_loss, r.best) for r in first.history]
    assert figures == [(r.valid_auc, r.valid_logloss, r.train_loss, r.best) for r in alone.history]


def test_a_signal_to_either_process_stops_both_after_the_same_step(tmp_path, monkeypatch):
    noted = []
    original = module.Loop._train_step

    def step(self, batch):
        original(self, batch)
        if self.ranks.rank == 1 and self.step == 7:
            self.interruption.signal_number = signal.SIGTERM
        noted.append((self.ranks.rank, self.step))

    monkeypatch.setattr(module.Loop, "_train_step", step)
    found = Two().run(*(trains(tmp_path / "run", Watcher()) for _ in range(2)))
    assert [type(error) for error in found] == [Interrupted, Interrupted]
    assert {error.signal_number for error in found} == {signal.SIGTERM}
    assert max(noted) == (1, 7)
    assert max(entry for entry in noted if entry[0] == 0) == (0, 7)
    assert [path.name for path in (tmp_path / "run").glob("step-*.pt")] == ["step-000000007.pt"]


def test_a_loss_that_is_not_finite_anywhere_fails_everywhere(tmp_path):
    def spoil(model):
        with torch.no_grad():
            model.embedding.tables[0].fill_(np.nan)

    found = Two().run(
        trains(tmp_path / "run", Watcher()), trains(tmp_path / "run", Watcher(), change=spoil)
    )
    assert [type(error) for error in found] == [FloatingPointError, FloatingPointError]


def test_either_clock_makes_a_checkpoint_due(tmp_path, monkeypatch):
    saved = []

    def is_due(self):
        return self.ranks.rank == 1 and self.step in (4, 11)

    monkeypatch.setattr(module.Loop, "_is_checkpoint_due", is_due)
    monkeypatch.setattr(
        module.Loop, "_save", lambda self: saved.append((self.ranks.rank, self.step))
    )
    Two().run(*(trains(tmp_path / "run", Watcher()) for _ in range(2)))
    assert sorted(saved) == [(0, 4), (0, 11), (1, 4), (1, 11)]


def test_the_first_process_decides_which_validation_is_the_best(tmp_path, monkeypatch):
    original = module.Loop._score_valid

    def scored(self):
        metrics, criterion = original(self)
        if self.ranks.rank == 1:  # it would stop at once
            metrics = replace(metrics, auc=0.5 - self.step / 1000)
        return metrics, criterion

    monkeypatch.setattr(module.Loop, "_score_valid", scored)
    config = replace(CONFIG, patience=1)
    (first, _), (second, _) = Two().run(
        *(trains(tmp_path / "run", Watcher(), config=config) for _ in range(2))
    )
    assert first.history == second.history
    assert first.stopped == second.stopped


@pytest.mark.parametrize(
    ("method", "calls"),
    [("largest", {"_train_epochs", "_require_finite"}), ("first", {"_open", "_validate"})],
)
def test_the_loop_asks_where_processes_could_differ(method, calls):
    tree = ast.parse(inspect.getsource(module.Loop))
    asking = {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr == method
        and ast.unparse(node.value) == "self.ranks"
    }
    assert asking == calls


def test_the_loop_looks_at_signals_and_clocks_only_to_ask():
    """No ``if`` of the loop depends on a signal, a clock or a loss of this process alone."""
    tree = ast.parse(inspect.getsource(module.Loop))
    own = {"signal_number", "isfinite", "perf_counter"}
    deciding = [
        (function.name, ast.unparse(node.test))
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, (ast.If, ast.IfExp, ast.While))
        and {part.attr for part in ast.walk(node.test) if isinstance(part, ast.Attribute)} & own
    ]
    # A signal amid a validation raises only where there is one process.
    assert deciding == [("_validate", "self.interruption.signal_number is not None")]
