"""Threads that work on blocks."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from ctrkit.machine.workers import in_order


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_results_come_in_the_order_of_the_tasks(pool):
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(10)
        return "first"

    tasks = [(first, 1), (second_is_done.set, 2)]
    assert list(in_order(pool, tasks, 3)) == [("first", 1), (None, 2)]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_tasks_than_the_limit_are_taken_ahead(pool, limit):
    taken = []

    def tasks():
        for number in range(20):
            taken.append(number)
            yield partial(int, number), None

    for done, (number, _) in enumerate(in_order(pool, tasks(), limit)):
        assert number == done
        assert len(taken) == min(done + limit, 20)


def fail(text: str) -> None:
    raise ValueError(text)


def test_the_first_error_arrives_after_the_results_before_it(pool):
    def tasks():
        yield partial(int, 1), None
        yield partial(fail, "in a task"), None
        fail("in the iterator")

    results = in_order(pool, tasks(), 5)
    assert next(results) == (1, None)
    with pytest.raises(ValueError, match="in a task"):
        next(results)


def test_an_error_of_the_iterator_waits_for_its_turn(pool):
    def tasks():
        yield partial(int, 1), None
        fail("in the iterator")

    results = in_order(pool, tasks(), 5)
    assert next(results) == (1, None)
    with pytest.raises(ValueError, match="in the iterator"):
        next(results)


def test_tasks_that_have_not_begun_are_dropped_when_closed():
    begun, may_end = [], threading.Event()

    def task(number: int) -> None:
        begun.append(number)
        assert number == 0 or may_end.wait(10)

    tasks = [(partial(task, number), None) for number in range(6)]
    with ThreadPoolExecutor(1) as pool:
        with closing(in_order(pool, tasks, 5)) as results:
            next(results)
        may_end.set()
    assert begun in ([0], [0, 1])
