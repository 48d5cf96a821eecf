"""What the worker does for credentials: publish changed lists each second, keep lists fresh and spare ones ready."""

from datetime import datetime

from celery import shared_task

from audit import clock
from credentials import lists, presented, publishing


def sweep(now: datetime) -> int:
    """Publish every list with an unpublished change; return how many."""
    return publishing.publish_due(now)


@shared_task(name="credentials.tasks.upkeep", ignore_result=True)
def upkeep() -> int:
    """Close full lists, make and publish spare ones, sign ageing ones again, forget what may be forgotten.

    Returns how many lists were published. Safe to run twice at once.
    """
    now = clock.now()
    lists.close_full(now=now)
    lists.create_missing(now=now)
    published = publishing.publish_stale(now)
    publishing.forget_old_versions(now)
    presented.forget_bodies(now)
    return published
