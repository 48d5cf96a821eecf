"""The portals' work beside the requests."""

from __future__ import annotations

import time
from datetime import datetime

from celery import shared_task

from audit import clock
from audit.aside import Aside
from portals import answers, callbacks, catalogue, mandates, overdue
from portals.agency import case_batches, cases, handovers, signals, suspension, thresholds
from portals.imports import inviting, working

_LOOK_EVERY = 5.0  # seconds of this process
_looked_at = float("-inf")


def sweep(now: datetime) -> int:
    """Look for what is due; return how much was found. Called every second by each worker (decision 29)."""
    global _looked_at
    found = catalogue.refresh(now, if_due=True) if catalogue.is_due(now) else 0
    if time.monotonic() - _looked_at >= _LOOK_EVERY:
        _looked_at = time.monotonic()
        found += callbacks.settle(now) + overdue.look(now)
        found += mandates.tell(now) + answers.tell(now) + handovers.end_overdue(now) + cases.settle_all(now)
        found += int((suspension.is_due(now) or signals.is_due(now)) and _agencies.start())
    return found


def _look_after_agencies(now: datetime) -> int:
    return suspension.follow(now) + signals.sweep(now)


_agencies = Aside("agencies", _look_after_agencies)


def sweep_imports(now: datetime) -> int:
    """Begin with the agencies' files and invitations where any are due; by a worker that consumes `imports` only."""
    found = case_batches.close_of_suspended(now)
    return found + int((working.is_due(now) or inviting.is_due(now)) and _imports.start())


@shared_task(name="portals.tasks.work_on_imports", ignore_result=True)
def work_on_imports() -> None:
    """The bell of `sweep_imports`."""
    _imports.start()


def _work_on_imports(now: datetime) -> int:
    return working.work(seconds=1.0) + inviting.send(seconds=1.0)


_imports = Aside("imports", _work_on_imports)


@shared_task(name="portals.tasks.upkeep", ignore_result=True)
def upkeep() -> None:
    """What is done now and then; what is kept no longer goes by `identity.tasks.let_go`."""
    inviting.settle(clock.now())


@shared_task(name="portals.tasks.watch_agencies", ignore_result=True)
def watch_agencies() -> None:
    """Suspend whoever is over a threshold."""
    thresholds.suspend_if_due(clock.now())
