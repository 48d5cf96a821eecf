"""Life by the clock: what happens because time passes. Every job is idempotent and works over rows.

A worker that slept a day finds the same rows and does the same. Each row is locked, looked at again and changed in a
transaction of its own, and told by an unsolicited message. Source: issue life by the clock, spec domain 2,
decisions 31, 40, 52.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Func, Q

from audit import log
from audit.log import SYSTEM, Action
from enrollment import claims, consenting, ending, notices, orders, places, remembering, told
from enrollment.codes import Code, Refusal
from enrollment.confirming import confirm
from enrollment.models import Claim, Consent, ConsentEvent, Enrollment, EnrollmentCase
from enrollment.preparing import Overtaken, prepare
from enrollment.results import ConsentWithdrawn, Result, Snapshot, Waiting
from enrollment.signals import enrollment_changed
from enrollment.states import (
    OPEN_CASE_STATES,
    CaseState,
    ClaimState,
    ConsentState,
    EnrollmentState,
)
from enrollment.waiting import GIVE_UP_AFTER, stop_waiting

logger = logging.getLogger(__name__)

BATCH = 500
#: How long one attempt at a waiting case may take before another worker may try it.
ATTEMPT_LEASE = timedelta(minutes=2)
MOST_ATTEMPTS, ATTEMPTS_SECONDS = 20, 2.0


def turn_the_clock(now: datetime) -> int:
    """Do everything that is due at `now`; returns how many rows changed."""
    # In the order in which it would have happened, had nobody slept.
    return sum(
        job(now) for job in (activate, revoke_as_scheduled, end_as_scheduled, expire, expire_holds, expire_cases)
    )


def _each(ids: Iterable[int], do: Callable[[int], bool]) -> int:
    """Do one row after the other; one that fails is logged and does not stop the others."""
    changed = 0
    for pk in ids:
        try:
            changed += do(pk)
        except Exception:  # the next turn tries this row again; the others must not wait for it
            logger.exception("a row could not be moved by the clock", extra={"row": pk})
    return changed


def _all_due(due: Callable[[], list[int]], do: Callable[[int], bool]) -> int:
    """Do what is due, batch by batch; ends when a batch is not full, or when none of its rows can be moved."""
    changed = 0
    while True:
        batch = due()
        moved = _each(batch, do)
        changed += moved
        if len(batch) < BATCH or not moved:
            return changed


def _due(query: Q) -> Callable[[], list[int]]:
    rows = Enrollment.objects.filter(query).order_by("pk").values_list("case_id", flat=True)
    return lambda: list(rows.all()[:BATCH])


def _with_enrollment(case_id: int, change: Callable[[EnrollmentCase, Enrollment], bool]) -> bool:
    with transaction.atomic():
        case, enrollment = ending.locked_enrollment(EnrollmentCase(pk=case_id))
        return enrollment is not None and change(case, enrollment)


def _tell(case: EnrollmentCase, enrollment: Enrollment | None, now: datetime, reason: str = "") -> None:
    snapshot = Snapshot(orders.of_rows(case, enrollment), now, reason)
    enrollment_changed.send(Enrollment, result=snapshot, case=case, action="on_status")


# --- enrolments ------------------------------------------------------------------------------------------------------


def activate(now: datetime) -> int:
    """SCHEDULED → ACTIVE at the start date."""

    def change(case: EnrollmentCase, enrollment: Enrollment) -> bool:
        start, end = enrollment.period.lower, enrollment.end_scheduled_for
        if enrollment.state != EnrollmentState.SCHEDULED or start > now or (end is not None and end <= start):
            return False
        enrollment.state = EnrollmentState.ACTIVE
        enrollment.save()
        _journal(Action.ENROLLMENT_ACTIVATED, enrollment, EnrollmentState.SCHEDULED, now)
        notices.tell_enrolled(enrollment, "enrollment-active", now)
        _tell(case, enrollment, now, "started")
        return True

    is_to_start = Q(end_scheduled_for=None) | Q(end_scheduled_for__gt=Func(F("period"), function="lower"))
    due = _due(is_to_start & Q(state=EnrollmentState.SCHEDULED, period__startswith__lte=now))
    return _all_due(due, lambda pk: _with_enrollment(pk, change))


def expire(now: datetime) -> int:
    """ACTIVE or SUSPENDED → EXPIRED at the end date, with its consents; no bit is set, the dates say it."""

    def change(case: EnrollmentCase, enrollment: Enrollment) -> bool:
        upper = enrollment.period.upper
        is_live = enrollment.state in (EnrollmentState.ACTIVE, EnrollmentState.SUSPENDED)
        if not is_live or upper is None or upper > now:
            return False
        before = enrollment.state
        enrollment.state, enrollment.end_scheduled_for = EnrollmentState.EXPIRED, None
        enrollment.repair_until = None
        enrollment.end_log_reference = _journal(Action.ENROLLMENT_EXPIRED, enrollment, before, now)
        enrollment.save()
        places.give_back(enrollment)
        _expire_consents(enrollment, now)
        told.note(enrollment, told.ENDED, upper, now, reason="EXPIRED")
        notices.tell_enrolled(enrollment, "enrollment-expired", now)
        _tell(case, enrollment, now, "expired")
        return True

    live = [EnrollmentState.ACTIVE, EnrollmentState.SUSPENDED]
    due = _due(Q(state__in=live, period__endswith__lte=now))
    return _all_due(due, lambda pk: _with_enrollment(pk, change))


def _expire_consents(enrollment: Enrollment, now: datetime) -> None:
    consents = list(Consent.objects.select_for_update().filter(enrollment=enrollment, state=ConsentState.GRANTED))
    Consent.objects.filter(pk__in=[c.pk for c in consents]).update(
        state=ConsentState.EXPIRED, revoke_scheduled_for=None
    )
    ConsentEvent.objects.bulk_create(
        ConsentEvent(consent=c, event="EXPIRED", at=now, actor_kind=SYSTEM.kind, actor_id=SYSTEM.id) for c in consents
    )
    if consents:
        types = {"types": [c.consent_type for c in consents]}
        ending.record(Action.CONSENT_EXPIRED, enrollment, SYSTEM, now, types)


def end_as_scheduled(now: datetime) -> int:
    """Unenrol where the effective date has come; told by an unsolicited on_update (decision 52)."""

    def change(case: EnrollmentCase, enrollment: Enrollment) -> bool:
        at = enrollment.end_scheduled_for
        if at is None or at > now:
            return False
        if enrollment.state in ending.LIVE_ENROLLMENT_STATES:
            keep = enrollment.end_keeps_outliving_consents
            ending.end_now(enrollment, enrollment.end_reason, SYSTEM, now, keep_outliving=keep)
            result = ending.ended(case, enrollment, now)
            enrollment_changed.send(Enrollment, result=result, case=case, action="on_update")
        return True

    return _all_due(_due(Q(end_scheduled_for__lte=now)), lambda pk: _with_enrollment(pk, change))


def revoke_as_scheduled(now: datetime) -> int:
    """Revoke consents whose effective date has come."""

    def do(consent_id: int) -> bool:
        case_id = Consent.objects.values_list("enrollment__case_id", flat=True).get(pk=consent_id)

        def change(case: EnrollmentCase, enrollment: Enrollment) -> bool:
            consent = Consent.objects.select_for_update(of=("self",)).get(pk=consent_id)
            due = consent.revoke_scheduled_for
            if consent.state != ConsentState.GRANTED or due is None or due > now:
                return False
            consenting.revoke_consent(enrollment, consent, consent.revocation_reason, SYSTEM, now)
            order = orders.of_rows(case, enrollment)
            assert order.enrollment is not None
            line = next(c for c in order.enrollment.consents if c.consent_id == consent.consent_id)
            result = ConsentWithdrawn(order, line, now)
            enrollment_changed.send(Enrollment, result=result, case=case, action="on_update")
            return True

        return _with_enrollment(case_id, change)

    rows = Consent.objects.filter(revoke_scheduled_for__lte=now, state=ConsentState.GRANTED).order_by("pk")
    return _all_due(lambda: list(rows.values_list("pk", flat=True)[:BATCH]), do)


def _journal(action: Action, enrollment: Enrollment, before: str, now: datetime) -> str:
    event = log.record(
        action,
        actor=SYSTEM,
        at=now,
        subject=str(enrollment.subject_id),
        object_type="enrollment",
        object_id=enrollment.enrollment_id,
        before={"state": before},
        after={"state": enrollment.state},
    )
    return event.reference


# --- applications ----------------------------------------------------------------------------------------------------


def expire_holds(now: datetime) -> int:
    """Let expired holds go. Their cases stay READY (decision 31), so nobody needs to be told."""
    with transaction.atomic():
        # A waiting case's hold is prolonged with each attempt, so an expired one is nobody's any more. Rows that an
        # init or confirm is releasing itself are left to it: waiting for them in another order would deadlock.
        due = Claim.objects.filter(state=ClaimState.HELD, hold_expires_at__lte=now).select_for_update(skip_locked=True)
        count, _ = Claim.objects.filter(pk__in=list(due.values_list("pk", flat=True))).delete()
        if count:
            log.record(Action.HOLD_RELEASED, actor=SYSTEM, at=now, object_type="claims", details={"expired": count})
    return count


def expire_cases(now: datetime) -> int:
    """Applications that nobody confirmed in time → EXPIRED."""

    def do(pk: int) -> bool:
        with transaction.atomic():
            case, enrollment = ending.locked_enrollment(EnrollmentCase(pk=pk))
            if enrollment is not None or case.state not in OPEN_CASE_STATES or case.deadline > now:
                return False
            ending.withdraw_case(case, CaseState.EXPIRED, Action.CASE_EXPIRED, SYSTEM, now)
            if case.subject_id is not None:
                notices.tell(case, "application-expired", now)
            _tell(case, None, now, "The application was not confirmed in time.")
            return True

    rows = EnrollmentCase.objects.filter(state__in=OPEN_CASE_STATES, deadline__lte=now).order_by("deadline", "pk")
    return _all_due(lambda: list(rows.values_list("pk", flat=True)[:BATCH]), do)


# --- utilities that did not answer -----------------------------------------------------------------------------------


def retry_waiting(now: datetime) -> int:
    """Ask again for the cases whose moment has come; one attempt each, then the next is planned (decision 40)."""
    tried, began = 0, time.monotonic()
    # Other sweeps wait behind this one: after a slow attempt the next second goes on.
    while tried < MOST_ATTEMPTS and time.monotonic() - began < ATTEMPTS_SECONDS:
        pk = _take_waiting(now)
        if pk is None:
            return tried
        try:
            _retry(pk, now)
        except Exception:  # the lease runs out and another worker tries; the other cases must not wait for it
            logger.exception("a waiting case could not be tried again", extra={"row": pk})
        tried += 1
    return tried


def _take_waiting(now: datetime) -> int | None:
    with transaction.atomic():
        case = (
            EnrollmentCase.objects.select_for_update(skip_locked=True)
            .filter(retry_at__lte=now)
            .order_by("retry_at")
            .only("pk", "retry_at")
            .first()
        )
        if case is None:
            return None
        EnrollmentCase.objects.filter(pk=case.pk).update(retry_at=now + ATTEMPT_LEASE)
        return int(case.pk)


def _retry(pk: int, now: datetime) -> None:
    case = EnrollmentCase.objects.select_related("subject", "program_version__program").get(pk=pk)
    kept = case.payload
    if kept is None or not case.is_waiting_for_a_utility or case.waiting_since is None:
        return
    try:
        _ask_again(case, kept, now)
    except Overtaken:
        logger.info("a retry was overtaken by another message of its order", extra={"row": pk})
    finally:
        # Also after a sleep of days the utility is asked once more before anybody is told that it did not answer.
        _give_up_if_overdue(pk, now)


def _ask_again(case: EnrollmentCase, kept: Mapping[str, Any], now: datetime) -> None:
    pk = case.pk

    def tell(result: Result) -> None:
        if not isinstance(result, Waiting):  # still waiting: that was said before
            fresh = EnrollmentCase.objects.get(pk=pk)
            notices.about_later(fresh, result, now)
            enrollment_changed.send(EnrollmentCase, result=result, case=fresh, action="on_status")

    if case.waiting_act == "init":
        prepare(
            remembering.init_command(kept),
            authority=remembering.authority(kept),
            actor=SYSTEM,
            now=now,
            also_write=tell,
            is_retry=True,
        )
        _clear_waiting(pk, kept_act="init", now=now)
    else:
        confirm(
            remembering.confirm_command(kept),
            authority=remembering.confirm_authority(kept),
            actor=SYSTEM,
            now=now,
            also_write=tell,
        )
        _clear_waiting(pk, kept_act="confirm", now=now)


def _clear_waiting(pk: int, *, kept_act: str, now: datetime) -> None:
    """After an attempt that was answered, the case waits no more; after one that was not, its next moment is set."""
    with transaction.atomic():
        case = EnrollmentCase.objects.select_for_update().get(pk=pk)
        is_answered = case.retry_at is not None and case.retry_at == now + ATTEMPT_LEASE
        if case.waiting_act == kept_act and is_answered:
            stop_waiting(case)
            case.save()


def _give_up_if_overdue(pk: int, now: datetime) -> None:
    """After 24 h: NEEDS_INPUT with UTILITY_UNAVAILABLE, never REJECTED; the applicant may try again (decision 40)."""
    with transaction.atomic():
        case, _enrollment = ending.locked_enrollment(EnrollmentCase(pk=pk))
        if case.waiting_since is None or case.waiting_since + GIVE_UP_AFTER > now:
            return
        utility_id = case.waiting_utility
        refusal = Refusal(
            Code.UTILITY_UNAVAILABLE,
            f"The utility {utility_id} did not answer for a day. Nothing was decided: send a new init later.",
            details={"retry_after": 3600},
        )
        stop_waiting(case)
        case.state, case.updated_at, case.payload = CaseState.NEEDS_INPUT, now, None
        case.save()
        claims.drop_holds(case)
        log.record(
            Action.CASE_REFUSED,
            actor=SYSTEM,
            at=now,
            subject=str(case.subject_id or ""),
            object_type="case",
            object_id=str(case.pk),
            details={"code": refusal.code.value, "utility": utility_id},
        )
        if case.subject_id is not None:
            notices.tell(case, "application-refused", now, reason=refusal.code.value)
        result = Snapshot(orders.of_case(case), now, refusal=refusal)
        enrollment_changed.send(EnrollmentCase, result=result, case=case, action="on_status")
