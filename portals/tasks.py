"""The portals' work beside the requests."""

from __future__ import annotations

import time
from datetime import datetime

from celery import shared_task

from audit import clock
from portals import callbacks, catalogue, matrix, overdue, retention

_LOOK_EVERY = 5.0  # seconds of this process
_looked_at = float("-inf")


def sweep(now: datetime) -> int:
    """Look for what is due; return how much was found. Called every second by each worker (decision 29)."""
    global _looked_at
    found = catalogue.refresh(now, if_due=True) if catalogue.is_due(now) else 0
    if time.monotonic() - _looked_at >= _LOOK_EVERY:
        _looked_at = time.monotonic()
        found += callbacks.settle(now) + overdue.look(now)
    return found


@shared_task(name="portals.tasks.upkeep", ignore_result=True)
def upkeep() -> None:
    """What is done now and then."""
    now = clock.now()
    retention.forget(now)
    matrix.forget(now)
