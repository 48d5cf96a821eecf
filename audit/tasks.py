"""What the journal does beside the requests: link every second, seal every day, check and export when asked."""

from datetime import datetime

from celery import shared_task

from audit import checks, clock, exports
from audit.aside import Aside, ring_on_commit
from audit.seals import seal_yesterday
from audit.sequencer import link_events

WORK = "audit.tasks.work_off"


def sweep(now: datetime) -> int:
    """Link what has no link yet; called every second by every worker, of which one does it.

    Also begins checks and exports that nobody has begun: in a thread of their own, which holds up nobody.
    """
    if checks.is_due(now) or exports.is_due(now):
        _journal.start()
    return link_events(now)


@shared_task
def seal_days(now: datetime | None = None) -> int:
    """Seal yesterday if that is still to be done; safe to call at any time and from many places."""
    return seal_yesterday(now or clock.now())


@shared_task(name=WORK, ignore_result=True)
def work_off() -> None:
    """Begin what was asked for, without waiting for the sweep."""
    _journal.start()


@shared_task(name="audit.tasks.upkeep", ignore_result=True)
def upkeep() -> int:
    """Delete the files of exports whose time is over; return how many. Safe to run twice at once."""
    return exports.forget(clock.now())


def ring() -> None:
    """Ring for a worker when the transaction has committed."""
    ring_on_commit(WORK)


def _work(now: datetime) -> int:
    return checks.work(now) + exports.work(now)


_journal = Aside("journal", _work)
