"""What the journal does beside the requests: link every second, seal every day."""

from datetime import datetime

from celery import shared_task

from audit import clock
from audit.seals import seal_yesterday
from audit.sequencer import link_events


def sweep(now: datetime) -> int:
    """Link what has no link yet; called every second by every worker, of which one does it."""
    return link_events(now)


@shared_task
def seal_days(now: datetime | None = None) -> int:
    """Seal yesterday if that is still to be done; safe to call at any time and from many places."""
    return seal_yesterday(now or clock.now())
