"""Checks of the chain that somebody asks for at the console: a day at once, everything by a worker, the result kept.

Whoever is killed leaves a lease, and somebody else begins the check anew.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from audit import clock, log, verification
from audit.log import Action, Actor, ActorKind, Channel
from audit.models import Check, Seal, WorkState

#: Links that are walked while somebody waits for the page.
AT_ONCE = 50_000
LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 3
SAY_EVERY_SECONDS = 1.0
#: Processes of their own that a worker has for a long check: the others are for those who wait for an answer.
PROCESSES = 1


def ask(day: date | None, *, actor: Actor, now: datetime) -> Check:
    """Check a day's part of the chain, or everything (None); at once where that is short, else a worker does it.

    Somebody's check of the same that is still waiting or at work is given back instead of a second one.
    """
    stretch = stretch_of(day) if day is not None else (1, verification.last_link())
    count = max(0, stretch[1] - stretch[0] + 1)
    with transaction.atomic():
        same = _open().filter(day=day).order_by("id").first()
        if same is not None:
            return same
        row = Check(day=day, asked_by_kind=str(actor.kind), asked_by=actor.id, asked_at=now, total=count)
        if count > AT_ONCE:
            waiting = Check.objects.filter(state=WorkState.WAITING).first()
            if waiting is not None:
                return waiting
            row.save()
            return row
    _carry_out(row, processes=0)
    return row


def stretch_of(day: date) -> tuple[int, int]:
    """Return the first and the last link that the seal of a day covers and the one before does not; for a day without
    a seal, what is not sealed yet."""
    before = Seal.objects.filter(day__lt=day).order_by("-day").first()
    own = Seal.objects.filter(day=day).first()
    return (before.last_seq + 1 if before else 1), (own.last_seq if own else verification.last_link())


def is_due(now: datetime) -> bool:
    """Whether a check waits for a worker."""
    return _due(now).exists()


def work(now: datetime) -> int:
    """Carry out one check that waits; return how many that were."""
    with transaction.atomic():
        row = _due(now).select_for_update(skip_locked=True).order_by("id").first()
        if row is None:
            return 0
        if row.attempts >= MOST_ATTEMPTS:
            row.state, row.finished_at = WorkState.FAILED, now
            row.save()
            return 1
        row.state, row.attempts, row.lease_until, row.walked = WorkState.RUNNING, row.attempts + 1, now + LEASE, 0
        row.save()
    _carry_out(row, processes=PROCESSES)
    return 1


def newest() -> Check | None:
    """Return the newest check that is over."""
    return Check.objects.filter(state=WorkState.DONE).order_by("-id").first()


def _open() -> QuerySet[Check]:
    return Check.objects.filter(state__in=[WorkState.WAITING, WorkState.RUNNING])


def _due(now: datetime) -> QuerySet[Check]:
    return Check.objects.filter(Q(state=WorkState.WAITING) | Q(state=WorkState.RUNNING, lease_until__lt=now))


def _carry_out(row: Check, *, processes: int) -> None:
    begun = said = time.monotonic()

    def tell(links: int) -> None:
        nonlocal said
        row.walked += links
        if row.pk is not None and time.monotonic() - said > SAY_EVERY_SECONDS:
            said = time.monotonic()
            Check.objects.filter(pk=row.pk).update(walked=row.walked, lease_until=clock.now() + LEASE)

    stretch = stretch_of(row.day) if row.day is not None else None
    first, last = stretch or (1, verification.last_link())
    report = verification.verify_chain(stretch=stretch, processes=processes, tell=tell)
    # What was linked meanwhile is walked, too: where nothing is missing, the count says how far that was.
    row.first_seq, row.last_seq = first, last if report.findings else first + report.links - 1
    row.head, row.seals, row.walked = report.head, report.seals, report.links
    row.findings = [asdict(each) for each in report.findings]
    row.total = max(row.total, report.links)
    row.state, row.finished_at, row.lease_until = WorkState.DONE, clock.now(), None
    row.seconds = round(time.monotonic() - begun, 2)
    with transaction.atomic():
        row.save()
        log.record(
            Action.JOURNAL_VERIFIED,
            actor=Actor(ActorKind(row.asked_by_kind), row.asked_by, Channel.CONSOLE),
            at=clock.now(),
            object_type="journal_check",
            object_id=str(row.pk),
            details={
                "day": row.day.isoformat() if row.day else "",
                "links": report.links,
                "findings": len(report.findings),
                "head": report.head,
            },
        )
        if report.findings:
            import_string(settings.AUDIT_ALARM)(str(row.pk), len(report.findings), clock.now())
