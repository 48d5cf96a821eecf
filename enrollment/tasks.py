"""What the worker and the beat call: thin, by name; the work is in enrollment.lifecycle."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task

from audit import clock
from enrollment import (
    agency_suspensions,
    certificates,
    feed,
    lifecycle,
    notices,
    standing,
    told,
)
from enrollment.figures import keeping


@shared_task(name="enrollment.tasks.turn_the_clock", ignore_result=True)
def turn_the_clock() -> None:
    now = clock.now()
    lifecycle.turn_the_clock(now)
    agency_suspensions.withdraw_open(now)


@shared_task(name="enrollment.tasks.watch_certificates", ignore_result=True)
def watch_certificates() -> None:
    """Look again at the certificates that are due, and do what follows."""
    now = clock.now()
    certificates.poll(now)
    certificates.remind(now)
    standing.end_unrepaired(now)


@shared_task(name="enrollment.tasks.hear_utilities", ignore_result=True)
def hear_utilities() -> None:
    """Read the utilities' feeds of changes."""
    feed.poll(clock.now())


@shared_task(name="enrollment.tasks.keep_figures", ignore_result=True)
def keep_figures() -> None:
    """Count what the journal says since the last time, for the console's figures."""
    keeping.catch_up(clock.now())


def sweep(now: datetime) -> int:
    """Each second: ask utilities again for the cases whose moment has come."""
    return lifecycle.retry_waiting(now)


def sweep_utilities(now: datetime) -> int:
    """Each second: do what follows from their changes; tell them, and our customers, what they have not been told."""
    return feed.handle_due(now) + told.deliver(now) + notices.deliver(now)
