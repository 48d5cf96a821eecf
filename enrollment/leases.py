"""A case to decide is before one person at a time: taken for a quarter of an hour, left, or given up by a supervisor.

What is decided counts by the constraints of the rows it is about; a lease only keeps two people from reading the same
file at once. One that is over is as good as none. Source: screens C13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from audit import log
from audit.log import Action, Actor
from enrollment.models import ReviewLease, ReviewNote
from enrollment.states import Decidable
from identity.inserting import insert_if_new
from identity.models import StaffMember

LASTS = timedelta(minutes=15)
#: When a lease that ran out is forgotten.
_KEPT = timedelta(days=1)
_JOURNALLED_AS: Mapping[str, str] = {"DOCUMENT": "document", "PAPER": "paper", "ORDER": "case"}


@dataclass(frozen=True)
class Thing:
    """What is decided, and whose it is (a Subject's key, "" where nobody knows yet)."""

    kind: Decidable
    reference: str
    subject: str = ""


class Taken(Exception):
    """Somebody else has it before them until `lease.until`."""

    def __init__(self, lease: ReviewLease) -> None:
        super().__init__(str(lease))
        self.lease = lease


class NotHeld(Exception):
    """Whoever wants to decide does not have it before them, or not any more."""


def take(thing: Thing, member: StaffMember, *, actor: Actor, now: datetime) -> ReviewLease:
    """Have it before one; again, for another quarter of an hour. Raises Taken."""
    with transaction.atomic():
        ReviewLease.objects.filter(until__lte=now - _KEPT).delete()
        row = ReviewLease(kind=thing.kind, reference=thing.reference, held_by=member, taken_at=now, until=now + LASTS)
        if not insert_if_new(row, unique=("kind", "reference")):
            kept = _locked(thing)
            if kept is None:  # left a moment ago
                return take(thing, member, actor=actor, now=now)
            is_theirs = kept.held_by_id == member.pk
            if kept.until > now and not is_theirs:
                raise Taken(kept)
            if kept.until > now:
                kept.until = now + LASTS
                kept.save(update_fields=["until"])
                return kept
            kept.held_by, kept.taken_at, kept.until, kept.opened_at = member, now, now + LASTS, None
            kept.save()
            row = kept
        _journal(Action.REVIEW_CLAIMED, thing, actor, now)
    return row


def leave(thing: Thing, member: StaffMember, *, actor: Actor, now: datetime) -> bool:
    """Let others have it. False where it was not before them."""
    with transaction.atomic():
        row = _locked(thing)
        if row is None or row.held_by_id != member.pk:
            return False
        row.delete()
        _journal(Action.REVIEW_RELEASED, thing, actor, now, by="HOLDER")
    return True


def release(thing: Thing, *, actor: Actor, now: datetime) -> bool:
    """Take it from whoever has it: a supervisor's act. False where nobody has it."""
    with transaction.atomic():
        row = _locked(thing)
        if row is None or row.until <= now:
            return False
        row.delete()
        _journal(Action.REVIEW_RELEASED, thing, actor, now, by="SUPERVISOR", of=str(row.held_by_id))
    return True


def held(thing: Thing, member: StaffMember, now: datetime) -> ReviewLease:
    """The lease of whoever is about to decide, locked. Caller's transaction. Raises NotHeld."""
    row = _locked(thing)
    if row is None or row.held_by_id != member.pk or row.until <= now:
        raise NotHeld
    return row


def opened(thing: Thing, member: StaffMember, now: datetime) -> None:
    """Keep that whoever has it before them has had its file. Raises NotHeld."""
    with transaction.atomic():
        row = held(thing, member, now)
        row.opened_at, row.until = now, now + LASTS
        row.save(update_fields=["opened_at", "until"])


def decided(thing: Thing) -> None:
    """Nothing is left to be decided about it. Caller's transaction."""
    ReviewLease.objects.filter(kind=thing.kind, reference=thing.reference).delete()


def of(thing: Thing, now: datetime) -> ReviewLease | None:
    """Who has it before them now."""
    rows = ReviewLease.objects.select_related("held_by__user")
    return rows.filter(kind=thing.kind, reference=thing.reference, until__gt=now).first()


def of_many(things: Sequence[Thing], now: datetime) -> Mapping[tuple[str, str], ReviewLease]:
    """Who has which of them, by kind and reference: one query."""
    if not things:
        return {}
    rows = ReviewLease.objects.filter(reference__in=[thing.reference for thing in things], until__gt=now)
    return {(row.kind, row.reference): row for row in rows.select_related("held_by__user")}


# --- notes -----------------------------------------------------------------------------------------------------------


def note(thing: Thing, member: StaffMember, text: str, now: datetime) -> None:
    """Keep what colleagues ought to know; nothing is kept of nothing."""
    if text.strip():
        ReviewNote.objects.create(
            kind=thing.kind, reference=thing.reference, by=member, at=now, text=text.strip()[:2000]
        )


def notes(thing: Thing) -> list[ReviewNote]:
    """What was noted, oldest first."""
    rows = ReviewNote.objects.filter(kind=thing.kind, reference=thing.reference)
    return list(rows.select_related("by__user").order_by("at", "pk"))


def _locked(thing: Thing) -> ReviewLease | None:
    rows = ReviewLease.objects.select_for_update(of=("self",))
    return rows.filter(kind=thing.kind, reference=thing.reference).first()


def _journal(action: Action, thing: Thing, actor: Actor, now: datetime, **details: Any) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=thing.subject,
        object_type=_JOURNALLED_AS[thing.kind],
        object_id=thing.reference,
        details=details,
    )
