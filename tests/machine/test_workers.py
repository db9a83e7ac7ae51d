"""Threads that work on blocks."""

import threading
from contextlib import closing
from functools import partial

import pytest

from ctrkit.machine.workers import Workers


@pytest.fixture
def workers():
    with Workers(2) as workers:
        yield workers


def test_results_come_in_the_order_of_the_tasks(workers):
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(10)
        return "first"

    assert list(workers.in_order([first, second_is_done.set])) == ["first", None]


@pytest.mark.parametrize("num_workers", [1, 2, 5])
def test_no_more_than_one_task_waits_for_a_thread(num_workers):
    taken = []

    def tasks():
        for number in range(20):
            taken.append(number)
            yield partial(int, number)

    with Workers(num_workers) as workers:
        for done, number in enumerate(workers.in_order(tasks())):
            assert number == done
            assert len(taken) == min(done + num_workers + 1, 20)


def fail(text: str) -> None:
    raise ValueError(text)


def test_the_first_error_arrives_after_the_results_before_it(workers):
    def tasks():
        yield partial(int, 1)
        yield partial(fail, "in a task")
        fail("in the iterator")

    results = workers.in_order(tasks())
    assert next(results) == 1
    with pytest.raises(ValueError, match="in a task"):
        next(results)


def test_an_error_of_the_iterator_waits_for_its_turn(workers):
    def tasks():
        yield partial(int, 1)
        fail("in the iterator")

    results = workers.in_order(tasks())
    assert next(results) == 1
    with pytest.raises(ValueError, match="in the iterator"):
        next(results)


def test_tasks_that_have_not_begun_are_dropped_when_closed():
    begun, may_end = [], threading.Event()

    def task(number: int) -> None:
        begun.append(number)
        assert number == 0 or may_end.wait(10)

    tasks = [partial(task, number) for number in range(6)]
    with Workers(1) as workers:
        with closing(workers.in_order(tasks)) as results:
            next(results)
        may_end.set()
    assert begun in ([0], [0, 1])
