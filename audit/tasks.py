"""What the journal does beside the requests: link every second, seal every day, check and export when asked."""

import logging
import threading
from datetime import datetime

from celery import current_app, shared_task
from django.db import connections, transaction

from audit import checks, clock, exports
from audit.seals import seal_yesterday
from audit.sequencer import link_events

logger = logging.getLogger(__name__)
WORK = "audit.tasks.work_off"
_busy = threading.Lock()


def sweep(now: datetime) -> int:
    """Link what has no link yet; called every second by every worker, of which one does it.

    Also begins checks and exports that nobody has begun: in a thread of their own, which holds up nobody.
    """
    if checks.is_due(now) or exports.is_due(now):
        _begin()
    return link_events(now)


@shared_task
def seal_days(now: datetime | None = None) -> int:
    """Seal yesterday if that is still to be done; safe to call at any time and from many places."""
    return seal_yesterday(now or clock.now())


@shared_task(name=WORK, ignore_result=True)
def work_off() -> None:
    """Begin what was asked for, without waiting for the sweep."""
    _begin()


@shared_task(name="audit.tasks.upkeep", ignore_result=True)
def upkeep() -> int:
    """Delete the files of exports whose time is over; return how many. Safe to run twice at once."""
    return exports.forget(clock.now())


def ring() -> None:
    """Ring for a worker when the transaction has committed; a lost bell costs the second until the sweep."""
    transaction.on_commit(lambda: current_app.send_task(WORK), robust=True)


def _begin() -> None:
    """Start the thread, unless it is at work already."""
    if _busy.acquire(blocking=False):
        try:
            threading.Thread(target=_run, name="journal", daemon=True).start()
        except BaseException:
            _busy.release()
            raise


def _run() -> None:
    try:
        while checks.work(clock.now()) + exports.work(clock.now()):
            pass
    except Exception:  # the next second tries again; a thread that died would be noticed by nobody
        logger.exception("work on the journal failed")
    finally:
        connections.close_all()
        _busy.release()
