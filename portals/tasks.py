"""The portals' work beside the requests."""

from __future__ import annotations

import time
from datetime import datetime

from celery import shared_task

from audit import clock
from portals import callbacks, catalogue

_SETTLE_EVERY = 10.0  # seconds
_settled_at = float("-inf")


def sweep(now: datetime) -> int:
    """Look for what is due; return how much was found. Called every second by each worker (decision 29)."""
    global _settled_at
    found = catalogue.refresh(now, if_due=True) if catalogue.is_due(now) else 0
    if time.monotonic() - _settled_at >= _SETTLE_EVERY:
        _settled_at = time.monotonic()
        found += callbacks.settle(now)
    return found


@shared_task(name="portals.tasks.upkeep", ignore_result=True)
def upkeep() -> None:
    """What is done now and then."""
    callbacks.settle(clock.now())
