"""What the worker and the beat call: thin, by name; the work is in enrollment.lifecycle."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task

from audit import clock
from enrollment import lifecycle


@shared_task(name="enrollment.tasks.turn_the_clock", ignore_result=True)
def turn_the_clock() -> None:
    lifecycle.turn_the_clock(clock.now())


def sweep(now: datetime) -> int:
    """Each second: ask utilities again for the cases whose moment has come."""
    return lifecycle.retry_waiting(now)
