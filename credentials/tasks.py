"""What the worker does for credentials: publish changed lists each second, keep lists fresh and spare ones ready.

Bulk work and the publishing that somebody rang for have a thread each in every worker process: whoever waits for a
message's answer does not wait for them, nor they for him.
"""

from datetime import datetime

from celery import shared_task

from audit import clock
from audit.aside import Aside
from credentials import bulk, lists, looks, publishing, resigning, services

_bulk = Aside("bulk", bulk.work)
_publishing = Aside("publishing", publishing.publish_due)
_looks = Aside("looks", looks.work)


def sweep(now: datetime) -> int:
    """Do the revocations that were planned for now, publish every list with an unpublished change; return how many."""
    if bulk.is_due(now):
        _bulk.start()
    found = services.revoke_due(now) + publishing.publish_due(now)
    if looks.is_due(now):
        _looks.start()
    return found


@shared_task(name=bulk.TASK, ignore_result=True)
def work_off() -> None:
    """Begin what was asked for, without waiting for the sweep."""
    _bulk.start()


@shared_task(name=services.PUBLISH, ignore_result=True)
def publish() -> None:
    """Publish what was just changed, without waiting for the sweep; bells that come meanwhile are heard by the same."""
    _publishing.start()


@shared_task(name="credentials.tasks.upkeep", ignore_result=True)
def upkeep() -> int:
    """Close full lists, make and publish spare ones, sign ageing ones again, forget those that were replaced.

    Returns how many lists were published. Safe to run twice at once.
    """
    now = clock.now()
    lists.close_full(now=now)
    lists.create_missing(now=now)
    published = publishing.publish_stale(now)
    publishing.forget_old_versions(now)
    resigning.ask_for_what_is_left(now)
    return published
