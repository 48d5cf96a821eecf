"""Enrolments that are looked at again, because the agency that made them was suspended soon afterwards (EA-7).

Nothing of them changes by the mark: staff looks, asks the customer, and says what came of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from audit.log import SYSTEM, Action, Actor, record
from enrollment.models import Enrollment, Recheck
from identity.models import Agency

#: Of how long before its suspension an agency's enrolments are looked at again.
LOOKED_BACK = timedelta(days=30)
AT_ONCE = 1000


class DoneBefore(Exception):
    """Somebody has looked at it already."""


def agency_suspended(agency: Agency, at: datetime) -> None:
    """A listener of `identity.agencies.suspend`, in its transaction (`settings.AGENCY_SUSPENDED_LISTENERS`)."""
    queue(agency.agency_id, at - LOOKED_BACK, at)


@transaction.atomic
def queue(agency_id: str, since: datetime, now: datetime) -> int:
    """Mark what the agency has enrolled since then; return how many are new. What waits already waits once."""
    made = Enrollment.objects.filter(case__agency_id=agency_id, enrolled_at__gte=since, enrolled_at__lte=now)
    waiting = Recheck.objects.filter(done_at=None).values("enrollment")
    rows = [
        Recheck(enrollment_id=pk, agency_id=agency_id, queued_at=now)
        for pk in made.exclude(pk__in=waiting).order_by("pk").values_list("pk", flat=True)
    ]
    Recheck.objects.bulk_create(rows, batch_size=AT_ONCE, ignore_conflicts=True)
    if rows:
        record(
            Action.RECHECK_QUEUED,
            actor=SYSTEM,
            at=now,
            object_type="agency",
            object_id=agency_id,
            details={"enrollments": len(rows), "since": since.isoformat()},
        )
    return len(rows)


@transaction.atomic
def done(recheck_id: int, outcome: str, note: str, *, actor: Actor, now: datetime) -> Recheck:
    """Say what came of looking. Raises DoneBefore; ValueError for an outcome that there is not."""
    if outcome not in Recheck.Outcome.values:
        raise ValueError(outcome)
    row = (
        Recheck.objects.select_for_update(of=("self",))
        .select_related("enrollment__program_version__program")
        .get(pk=recheck_id)
    )
    if row.done_at is not None:
        raise DoneBefore
    row.done_at, row.done_by, row.outcome, row.note = now, actor.id, outcome, note[:2000]
    row.save(update_fields=["done_at", "done_by", "outcome", "note"])
    record(
        Action.RECHECK_DONE,
        actor=actor,
        at=now,
        subject=str(row.enrollment.subject_id),
        object_type="enrollment",
        object_id=row.enrollment.enrollment_id,
        details={"outcome": outcome, "agency": row.agency_id},
    )
    return row
