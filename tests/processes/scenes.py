"""What the process tests share: fresh people, things done at once, what the database says, and silence in the logs."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from tests.bap import PATIENCE, Bap, Callback
from tests.customers import Block
from tests.journeys import Journey, Json, Person
from tests.stack import Stack

T = TypeVar("T")
A_MOMENT = 0.1  # seconds between two people of a thread: what is done to the service meanwhile needs the machine, too
_customers = Block.SCENES.customers()


def somebody() -> Person:
    """A customer of utility A nobody has used yet, with one meter."""
    name = next(_customers)
    return Person(f"did:example:{name}", name, customer_id=f"CUST-{name}")


def two_who_share_a_meter() -> tuple[Person, Person]:
    umid = next(_customers).replace("load", "joint")
    one, other = (Person(f"did:example:{umid}-{which}", umid, customer_id=f"CUST-{umid}-{which}") for which in "ab")
    return one, other


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """Do all of them in threads that start together; results in the order given."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        start.wait(60)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def error_code(order: Json) -> str:
    """The code of the error in an order, empty where it has none."""
    return str(order.get("error", {}).get("code", ""))


@dataclass(frozen=True)
class Book:
    """What the database says about one meter."""

    stack: Stack
    umid: str

    def _count(self, query: str) -> int:
        ((count,),) = self.stack.sql(query, self.umid)
        return int(count)

    @property
    def enrollments(self) -> int:
        return self._count("SELECT count(*) FROM enrollment_meters WHERE umid = %s")

    @property
    def claims(self) -> int:
        return self._count("SELECT count(*) FROM claims WHERE kind = 'METER' AND reference = %s AND state = 'CLAIMED'")

    @property
    def holds(self) -> int:
        return self._count("SELECT count(*) FROM claims WHERE kind = 'METER' AND reference = %s AND state = 'HELD'")

    @property
    def credentials(self) -> int:
        """Enrolment credentials ever issued for the meter."""
        return self._count(
            "SELECT count(*) FROM issued_credentials WHERE kind = 'ENROLLMENT' AND claims->'meters' ? %s"
        )

    @property
    def journal_lines(self) -> int:
        """How often the journal says that it was enrolled."""
        return self._count(
            "SELECT count(*) FROM audit_logs WHERE action = 'enrollment.confirmed' AND object_id IN (SELECT"
            " e.enrollment_id FROM program_enrollments e JOIN enrollment_meters m ON m.enrollment_id = e.id"
            " WHERE m.umid = %s)"
        )

    def let_holds_expire(self) -> None:
        """As if the minutes of every hold on the meter were over."""
        self.stack.sql("DELETE FROM claims WHERE kind = 'METER' AND reference = %s AND state = 'HELD'", self.umid)

    def is_enrolled_once(self) -> bool:
        return (self.enrollments, self.claims, self.holds, self.credentials, self.journal_lines) == (1, 1, 0, 1, 1)


class PatientJourney(Journey):
    """A journey whose portal sends a message again, the same bytes, until it is acknowledged, as a careful one does."""

    def call(self, message: Json, *, seconds: float = PATIENCE, **more: Any) -> Callback:
        context = message["context"]
        raw = json.dumps(message).encode()
        until = time.monotonic() + seconds
        while not self._is_taken(f"{self.stack.base}/beckn/{context['action']}", raw):
            assert time.monotonic() < until, f"{context['action']} was not taken within {seconds} s"
            time.sleep(0.05)
        return self.bap.wait_for(f"on_{context['action']}", seconds=seconds, message_id=context["message_id"])

    def _is_taken(self, url: str, raw: bytes) -> bool:
        try:
            answer = self.bap.post(url, raw)
        except (OSError, http.client.HTTPException):
            return False  # nobody there, or gone while we asked
        assert answer.is_ack or answer.status >= 500, f"{answer.status} {answer.raw!r}"
        return answer.is_ack


class Traffic:
    """People who enrol, one after the other, in a few threads, while something is done to the service."""

    def __init__(self, stack: Stack, *, bap: Bap | None = None, threads: int = 3) -> None:
        self.stack, self.bap = stack, bap or stack.bap
        self.done: list[PatientJourney] = []
        self._enough = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._runs = [self._pool.submit(self._run) for _ in range(threads)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._enough.set()
        self._pool.shutdown()
        if kind is None:
            for run in self._runs:
                run.result()  # raises what went wrong in its thread
            self._check()

    def wait_for_more(self, count: int = 3) -> None:
        """Wait until so many more people are enrolled, who were on their way or come now."""
        wanted = len(self.done) + count
        self.wait_until(lambda: len(self.done) >= wanted)

    def wait_until(self, question: Callable[[], bool]) -> None:
        """Wait while people go on enrolling; raises what goes wrong with one of them."""
        until = time.monotonic() + PATIENCE
        while not question():
            assert time.monotonic() < until, f"{len(self.done)} people are enrolled, and no more"
            for run in self._runs:
                if run.done():
                    run.result()
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._enough.is_set():
            journey = PatientJourney(self.stack, somebody(), bap=self.bap)
            journey.enroll()
            self.done.append(journey)
            self._enough.wait(A_MOMENT)

    def _check(self) -> None:
        """Everybody is enrolled once, and what was told twice was told in the same words."""
        for journey in self.done:
            assert Book(self.stack, journey.person.umid).is_enrolled_once(), journey.person.umid
            for action in ("on_init", "on_confirm"):
                told = {callback.raw for callback in self.bap.received(action, transaction_id=journey.transaction_id)}
                assert len(told) == 1, (action, journey.transaction_id)


@contextmanager
def no_trouble(stack: Stack, *, but_from: str = "nobody") -> Iterator[None]:
    """Meanwhile no process logs an error, no address answers 5xx, and PostgreSQL sees no deadlock.

    `but_from`: the name of a logger that may complain.
    """
    read = {name: len(text) for name, text in stack.log_texts().items()}
    deadlocks = _deadlocks(stack)
    yield
    lines = [line for name, text in stack.log_texts().items() for line in text[read.get(name, 0) :].splitlines()]
    events = [event for event in map(_event, lines) if event and not event.get("logger", "").startswith(but_from)]
    bad = [e for e in events if e.get("level") in ("error", "critical") or int(e.get("status") or 0) >= 500]
    assert not bad, "\n".join(str(event)[:2000] for event in bad[:5])
    assert [line for line in lines if "Traceback" in line and not _event(line)] == []
    assert _deadlocks(stack) == deadlocks


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _deadlocks(stack: Stack) -> int:
    ((count,),) = stack.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(count)
