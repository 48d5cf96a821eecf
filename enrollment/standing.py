"""Suspending, resuming and ending enrolments for causes outside any message: a change at the utility, a certificate.

Each is one transaction: the enrolment with its credential's bit, the journal, the BAP of record (`enrollment_changed`),
the person (`notices`) and the utility (`told`). Asking twice changes nothing.
Source: issue 4 (7, 8), personas 6.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from audit.log import SYSTEM, Actor
from enrollment import ending, orders
from enrollment.models import Enrollment, EnrollmentCase
from enrollment.results import Snapshot
from enrollment.signals import enrollment_changed
from enrollment.states import LIVE_ENROLLMENT_STATES, EnrollmentState

BATCH = 500


def suspend(
    enrollment: Enrollment,
    reason: str,
    *,
    now: datetime,
    sentence: str = "",
    repair_until: datetime | None = None,
    actor: Actor = SYSTEM,
) -> bool:
    """Suspend a live enrolment; False where it is suspended or over already. `reason` is a code, `sentence` is told."""
    with transaction.atomic():
        case, row = ending.locked_enrollment(EnrollmentCase(pk=enrollment.case_id))
        return row is not None and suspend_locked(
            case, row, reason, now=now, sentence=sentence, repair_until=repair_until, actor=actor
        )


def suspend_locked(
    case: EnrollmentCase,
    enrollment: Enrollment,
    reason: str,
    *,
    now: datetime,
    sentence: str = "",
    repair_until: datetime | None = None,
    actor: Actor = SYSTEM,
) -> bool:
    """`suspend` with the rows locked. Caller's transaction."""
    if enrollment.state not in LIVE_ENROLLMENT_STATES or enrollment.state == EnrollmentState.SUSPENDED:
        return False
    enrollment.repair_until = repair_until
    ending.suspend(enrollment, reason, actor, now)
    _tell(case, enrollment, now, sentence or reason)
    return True


def resume(
    enrollment: Enrollment, *, now: datetime, because: str = "", sentence: str = "", actor: Actor = SYSTEM
) -> bool:
    """Resume a suspended enrolment; with `because` only one that was suspended for a reason that begins so."""
    with transaction.atomic():
        case, row = ending.locked_enrollment(EnrollmentCase(pk=enrollment.case_id))
        return row is not None and resume_locked(case, row, now=now, because=because, sentence=sentence, actor=actor)


def resume_locked(
    case: EnrollmentCase,
    enrollment: Enrollment,
    *,
    now: datetime,
    because: str = "",
    sentence: str = "",
    actor: Actor = SYSTEM,
) -> bool:
    """`resume` with the rows locked. Caller's transaction."""
    if enrollment.state != EnrollmentState.SUSPENDED or not enrollment.suspension_reason.startswith(because):
        return False
    if not ending.resume(enrollment, actor, now):
        return False
    _tell(case, enrollment, now, sentence or "The enrollment goes on.")
    return True


def end(enrollment: Enrollment, reason: str, *, now: datetime, actor: Actor = SYSTEM) -> bool:
    """End a live enrolment now: claims freed, credential and consents revoked; False where it is over already."""
    with transaction.atomic():
        case, row = ending.locked_enrollment(EnrollmentCase(pk=enrollment.case_id))
        if row is None or row.state not in LIVE_ENROLLMENT_STATES:
            return False
        ending.end_now(row, reason, actor, now)
        result = replace(ending.ended(case, row, now), reason=row.end_reason)
        enrollment_changed.send(Enrollment, result=result, case=case, action="on_update")
    return True


def end_unrepaired(now: datetime) -> int:
    """End suspended enrolments that nobody repaired in time: `CERTIFICATE_REVOKED` ends as `NOT_REPAIRED`."""
    due = Enrollment.objects.filter(repair_until__lte=now, state=EnrollmentState.SUSPENDED).order_by("pk")[:BATCH]
    return sum(end(row, "NOT_REPAIRED", now=now) for row in due)


def _tell(case: EnrollmentCase, enrollment: Enrollment, now: datetime, sentence: str) -> None:
    snapshot = Snapshot(orders.of_rows(case, enrollment), now, sentence)
    enrollment_changed.send(Enrollment, result=snapshot, case=case, action="on_status")
