"""An answer leaves from the worker that wrote it while one of its threads is idle; else the broker is asked."""

import threading
from collections.abc import Iterator

import pytest

from beckn.nudge import bells_kept, nudge
from beckn.pools import Pool


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_what_is_rung_meanwhile_is_kept_for_whoever_may_do_it_without_the_broker():
    with bells_kept() as bells:
        nudge("a.task", 7)
    assert bells == [("a.task", 7)]


def test_an_idle_thread_takes_the_offered_row_and_does_it():
    done = threading.Event()
    pool: Pool[int] = Pool("t", 1, lambda most: [], lambda row: done.set())
    assert pool.offer(lambda: 1)
    assert done.wait(5)


def test_a_row_that_somebody_else_has_taken_is_left_alone():
    worked: list[int] = []
    asked = threading.Event()

    def taken_already() -> int | None:
        asked.set()
        return None

    pool: Pool[int] = Pool("t", 1, lambda most: [], worked.append)
    assert pool.offer(taken_already)
    assert asked.wait(5) and worked == []


def test_nothing_is_taken_when_all_threads_are_busy(gate: threading.Event):
    begun = threading.Event()

    def hold(row: int) -> None:
        begun.set()
        gate.wait(10)

    pool: Pool[int] = Pool("t", 1, lambda most: [], hold)
    assert pool.offer(lambda: 1) and begun.wait(5)
    assert not pool.offer(lambda: 2)
