"""The worker's half: one import's next chunk at a time, in turn, so that no agency waits for another's whole file.

A chunk is one transaction with the cursor behind it. Whoever is killed leaves a lease that runs out, and nothing else.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from audit import clock, log
from audit.log import Action
from identity.models import Agency
from portals.imports.casing import case_chunk
from portals.imports.checking import check_chunk
from portals.imports.uploading import AT_WORK
from portals.models import BulkImport

logger = logging.getLogger(__name__)
State = BulkImport.State
#: A chunk that fails so often stops its import.
MOST_FAILURES = 5


def work(*, seconds: float) -> int:
    """Do chunks for about so long; return how many were done. Safe in any number of processes at once."""
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        found = _take(clock.now())
        if found is None:
            break
        count += _do(found)
    return count


def is_due(now: datetime) -> bool:
    """Whether there is anything to do at all."""
    return BulkImport.objects.filter(state__in=AT_WORK).exists()


_TAKE = """
UPDATE agency_imports SET leased_until = %(until)s, worked_at = %(now)s WHERE id = (
  SELECT id FROM agency_imports
   WHERE state IN ('CHECKING', 'IMPORTING') AND (leased_until IS NULL OR leased_until <= %(now)s)
   ORDER BY worked_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING *
"""


def _take(now: datetime) -> BulkImport | None:
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    found = list(BulkImport.objects.raw(_TAKE, {"now": now, "until": until}))
    return found[0] if found else None


def _do(taken: BulkImport) -> int:
    try:
        with transaction.atomic():
            return _chunk(taken, clock.now())
    except Exception:  # the lease runs out and the chunk is tried again; the other agencies must not wait for it
        logger.exception("a chunk of an import could not be done", extra={"import": str(taken.pk)})
        _failed(taken, clock.now())
        return 0


def _chunk(taken: BulkImport, now: datetime) -> int:
    mine = BulkImport.objects.select_for_update(of=("self",), no_key=True).filter(
        pk=taken.pk, state__in=AT_WORK, leased_until=taken.leased_until
    )
    found = mine.select_related("agency", "uploaded_by__agency", "started_by__agency").first()
    if found is None:
        return 0  # cancelled, or our lease ran out and another worker was faster
    if is_blocked(found.agency, now):
        stop(found, "AGENCY_BLOCKED", now)
    elif found.state == State.CHECKING:
        check_chunk(found, now)
    else:
        case_chunk(found, now)
    found.leased_until, found.failures = None, 0
    found.save()
    return 1


def is_blocked(agency: Agency, now: datetime) -> bool:
    """Whether the agency may do nothing at this moment."""
    return (agency.suspended_at is not None and agency.suspended_at <= now) or not agency.is_certified(now)


def stop(found: BulkImport, trouble: str, now: datetime) -> None:
    """End it where it is. Caller's transaction, the import locked; the caller saves it."""
    found.state, found.trouble, found.finished_at = State.STOPPED, trouble, now
    found.parts.all().delete()
    found.lines.filter(told__isnull=False).update(told=None)
    actor = log.Actor(log.ActorKind.SYSTEM, "imports", on_behalf_of=found.agency.agency_id)
    log.record(
        Action.IMPORT_STOPPED,
        actor=actor,
        at=now,
        object_type="import",
        object_id=str(found.pk),
        details={"reason": trouble},
    )


def _failed(taken: BulkImport, now: datetime) -> None:
    with transaction.atomic():
        found = BulkImport.objects.select_for_update(of=("self",), no_key=True).filter(
            pk=taken.pk, state__in=AT_WORK, leased_until=taken.leased_until
        )
        for row in found.select_related("agency"):
            row.failures += 1
            if row.failures >= MOST_FAILURES:
                stop(row, "FAILED", now)
                row.leased_until = None
            row.save()
