"""How the utilities' systems answer: each question is counted here, in the process that asked, and written later.

Asking must not wait for a figure, nor fail with one: counts lie in memory for some seconds and are then added to the
hour's rows in one statement. A process that is killed takes its last seconds with it. Workers write in their sweep, web
processes from a thread of their own (`start_writing`).
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import DatabaseError, close_old_connections, connection

from audit import clock
from utility_systems.models import CallFigure

log = logging.getLogger(__name__)
Outcome = CallFigure.Outcome
#: Seconds; a bucket holds what is shorter than its bound.
BOUNDS: Sequence[float] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0)
EVERY_SECONDS = 10.0
_MOST = 10_000  # cells kept while the database is away; more than that are not worth the memory

_Cell = tuple[datetime, str, str, str, int]
_counts: Counter[_Cell] = Counter()
_lock = threading.Lock()
_written_at = time.monotonic()
_thread: threading.Thread | None = None


def counter(utility_id: str, system: str) -> Callable[[str, float], None]:
    """What a system calls with the outcome of a question and the seconds it took."""

    def count(outcome: str, seconds: float) -> None:
        hour = clock.now().replace(minute=0, second=0, microsecond=0)
        with _lock:
            _counts[hour, utility_id, system, str(outcome), bisect_right(BOUNDS, seconds)] += 1

    return count


def write() -> int:
    """Add what was counted to the rows of its hours; return the questions written. What cannot be is kept for later."""
    global _written_at
    with _lock:
        taken = dict(_counts)
        _counts.clear()
        _written_at = time.monotonic()
    if not taken:
        return 0
    cells = sorted(taken)  # in one order everywhere: two processes wait for each other and do not deadlock
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                _ADD, [*(list(column) for column in zip(*cells, strict=True)), [taken[each] for each in cells]]
            )
    except DatabaseError:
        with _lock:
            if len(_counts) < _MOST:
                _counts.update(taken)
        raise
    return sum(taken.values())


def sweep(now: datetime) -> int:
    """A worker's: write when it was some time ago. Nothing is due because of it."""
    if _counts and time.monotonic() - _written_at >= EVERY_SECONDS:
        write()
    return 0


def start_writing() -> None:
    """A web process's: write from a thread that ends with the process."""
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_go_on_writing, name="call-figures", daemon=True)
        _thread.start()


def _go_on_writing() -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        if not _counts:
            continue
        try:
            write()
        except Exception:  # the next time tries again; a thread that died would be noticed by nobody
            log.exception("figures of questions to utilities could not be written")
        close_old_connections()


_ADD = f"""
INSERT INTO {CallFigure._meta.db_table} AS kept (hour, utility_id, system, outcome, bucket, count)
SELECT * FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::int[], %s::int[])
ON CONFLICT (hour, utility_id, system, outcome, bucket) DO UPDATE SET count = kept.count + excluded.count
"""  # noqa: S608 - our own name
