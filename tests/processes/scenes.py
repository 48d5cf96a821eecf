"""What the process tests share: fresh people, things done at once, what the database says, and silence in the logs."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.journeys import Json, Person
from tests.stack import Stack

T = TypeVar("T")
_numbers = itertools.count(600_001)


def somebody() -> Person:
    """A customer of utility A nobody has used yet, with one meter."""
    name = f"load-{next(_numbers):06d}"
    return Person(f"did:example:{name}", name, customer_id=f"CUST-{name}")


def two_who_share_a_meter() -> tuple[Person, Person]:
    umid = f"joint-{next(_numbers):06d}"
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


@contextmanager
def no_trouble(stack: Stack) -> Iterator[None]:
    """Meanwhile no process logs an error, no address answers 5xx, and PostgreSQL sees no deadlock."""
    read = {name: len(text) for name, text in stack.log_texts().items()}
    deadlocks = _deadlocks(stack)
    yield
    lines = [line for name, text in stack.log_texts().items() for line in text[read.get(name, 0) :].splitlines()]
    events = [event for event in map(_event, lines) if event]
    assert [e for e in events if e.get("level") in ("error", "critical") or int(e.get("status") or 0) >= 500] == []
    assert [line for line in lines if "Traceback" in line] == []
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
