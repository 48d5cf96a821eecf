"""The job that lets go of what is kept no longer: kind by kind, in batches, each night, or oftener where it is short.

A row of each kind (KeptKind) says when it is due. Whoever finds it due takes it for a while, works for some seconds and
leaves the rest to the next look; after a failure it is tried again a quarter of an hour later, and a night that was
missed is caught up with the first look after it.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from audit import log
from audit.log import Action
from identity import keeping
from identity.keeping import Kind
from identity.models import KeptKind

logger = logging.getLogger(__name__)
#: How long one look works at all kinds together, and how long a kind that a dead worker had is left alone.
SECONDS, LEASE = 20.0, timedelta(minutes=10)
AGAIN_AFTER_FAILURE = timedelta(minutes=15)


def work(now: datetime, *, seconds: float = SECONDS) -> int:
    """Let go of what is due; returns how much went. Safe in many processes at once, and at any time."""
    known = dict(KeptKind.objects.values_list("code", "due_at"))
    enough = time.monotonic() + seconds
    count = 0
    for kind in keeping.kinds():
        if known.get(kind.code, now) > now:
            continue
        count += _work_on(kind, now, enough)
        if time.monotonic() > enough:
            break
    return count


def next_night(now: datetime) -> datetime:
    """The next time the clock strikes RETENTION_HOUR (UTC)."""
    tonight = now.replace(hour=settings.RETENTION_HOUR, minute=0, second=0, microsecond=0)
    return tonight if tonight > now else tonight + timedelta(days=1)


def _work_on(kind: Kind, now: datetime, enough: float) -> int:
    if not _taken(kind, now):
        return 0
    count = 0
    try:
        while True:
            found = _one_batch(kind, now)
            count += found
            if not found:
                _finish(kind, now)
                return count
            if time.monotonic() > enough:
                KeptKind.objects.filter(code=kind.code).update(leased_until=None)  # still due: the next look goes on
                return count
    except Exception as problem:  # one kind's trouble is not the others'
        logger.exception("data was kept beyond its time", extra={"kind": kind.code, "problem": type(problem).__name__})
        KeptKind.objects.filter(code=kind.code).update(
            leased_until=None,
            due_at=now + AGAIN_AFTER_FAILURE,
            failures=F("failures") + 1,
            problem=type(problem).__name__[:200],
        )
        return count


def _taken(kind: Kind, now: datetime) -> bool:
    """Take the kind, so that nobody else works on it for a while."""
    # A kind that is new here begins at once; who makes its row is who makes it first.
    KeptKind.objects.get_or_create(code=kind.code, defaults={"due_at": now})
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    return bool(KeptKind.objects.filter(free, code=kind.code, due_at__lte=now).update(leased_until=now + LEASE))


def _one_batch(kind: Kind, now: datetime) -> int:
    """What goes and that it is counted belong together."""
    if kind.let_go is None:
        return 0  # it stays: only how old it is by now is looked up
    with transaction.atomic():
        found = kind.let_go(now)
        if found:
            KeptKind.objects.filter(code=kind.code).update(
                removed=F("removed") + found, running=F("running") + found, leased_until=now + LEASE
            )
    return found


def _finish(kind: Kind, now: datetime) -> None:
    oldest = kind.oldest() if kind.oldest is not None else None
    with transaction.atomic():
        row = KeptKind.objects.select_for_update().get(code=kind.code)
        row.due_at = next_night(now) if kind.every is None else now + kind.every
        row.leased_until, row.ran_at, row.oldest_at = None, now, oldest
        row.last_removed, row.running = row.running, 0
        row.failures, row.problem = 0, ""
        if row.removed > row.reported and (row.reported_at is None or row.reported_at.date() < now.date()):
            _tell(kind, row, now)
        row.save()


def _tell(kind: Kind, row: KeptKind, now: datetime) -> None:
    """One line a day and kind, with all that went since the last one."""
    log.record(
        Action.RETENTION_APPLIED,
        actor=log.SYSTEM,
        at=now,
        object_type="retention",
        object_id=kind.code,
        details={"count": row.removed - row.reported, "how": kind.how.value},
    )
    row.reported, row.reported_at = row.removed, now
