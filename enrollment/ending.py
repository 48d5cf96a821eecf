"""Leaving: unenrolment, withdrawal of an application, suspension; and how an order stands.

Writers behind enrollment.services. Every act is idempotent: the first moment stays. Source: onboarding guide 17.6 and
17.7, spec domain 2 and 3, decisions 8, 10, 11, 33, 35, 52, 62.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from audit import log
from audit.log import Action, Actor
from credentials import services as credentials
from enrollment import claims, history, notices, orders, places, told
from enrollment.claiming import find_conflicts, wanted_of
from enrollment.codes import Code, Refusal
from enrollment.commands import AskStatus, Authority, EndEnrollment, OrderRef
from enrollment.confirming import find_case, refuse_unknown
from enrollment.frozen import NOT_ME
from enrollment.models import Consent, ConsentEvent, Enrollment, EnrollmentCase
from enrollment.results import (
    AlsoWrite,
    Ended,
    OrderList,
    Refused,
    Result,
    Snapshot,
    Stage,
    Withdrawn,
)
from enrollment.signals import enrollment_changed
from enrollment.states import (
    LIVE_ENROLLMENT_STATES,
    OPEN_CASE_STATES,
    CaseState,
    ConsentState,
    EnrollmentState,
)
from enrollment.vouching import vouched
from enrollment.waiting import stop_waiting
from identity.models import Subject

#: Orders in one answer to a customer who asks for all of theirs.
MOST_ORDERS = 100
MOST_LOOKED_THROUGH = 5 * MOST_ORDERS
_ZONE = ZoneInfo("UTC")  # where only the fact of a conflict counts, not its dates in words


# --- finding, with the rows locked -----------------------------------------------------------------------------------


def locked_enrollment(case: EnrollmentCase) -> tuple[EnrollmentCase, Enrollment | None]:
    """The case and its enrolment, locked in this order by everyone. Caller's transaction."""
    locked = (
        EnrollmentCase.objects.select_for_update(of=("self",))
        .select_related("subject", "program_version__program")
        .get(pk=case.pk)
    )
    enrollment = (
        Enrollment.objects.select_for_update(of=("self",))
        .select_related("subject", "program_version__program", "credential")
        .filter(case=locked)
        .first()
    )
    return locked, enrollment


def refused(
    case: EnrollmentCase, refusal: Refusal, actor: Actor, now: datetime, also_write: AlsoWrite, transaction_id: str = ""
) -> Refused:
    log.record(
        Action.ENROLLMENT_REFUSED,
        actor=actor,
        at=now,
        subject=str(case.subject_id or ""),
        object_type="case",
        object_id=str(case.pk),
        details={"code": refusal.code.value, "state": case.state},
    )
    result = Refused(refusal, orders.of_case(case, transaction_id=transaction_id), now, Stage.RULES)
    also_write(result)
    return result


# --- status ----------------------------------------------------------------------------------------------------------


def status(command: AskStatus, *, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    """The order as it stands. Only to the BAP of record; to anybody else it does not exist (decision 10)."""
    case = find_case(command.order)
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    with transaction.atomic():
        result = _as_it_stands(case, now, command.order.transaction_id)
        also_write(result)
    return result


def _as_it_stands(case: EnrollmentCase, now: datetime, transaction_id: str = "") -> Snapshot:
    order = orders.of_case(case, transaction_id=transaction_id)
    enrollment_id = order.enrollment.enrollment_id if order.enrollment is not None else ""
    return Snapshot(order, now, history=history.of_order(case, enrollment_id))


def status_of_all(authority: Authority, *, now: datetime, also_write: AlsoWrite) -> OrderList:
    """Every order of the proven customer, whoever placed it (decision 25), that the proof speaks for."""
    known = Subject.objects.filter(did=authority.proven_subject).first()
    subject = (known.merged_into or known) if known is not None else None
    theirs = EnrollmentCase.objects.filter(subject=subject).select_related("subject").order_by("-created_at", "-pk")
    cases = vouched(theirs[:MOST_LOOKED_THROUGH], authority.proven_at) if subject is not None else []
    with transaction.atomic():
        found = tuple(_as_it_stands(case, now) for case in cases[:MOST_ORDERS])
        result = OrderList(found, now)
        also_write(result)
    return result


def telling_the_bap_of_record(case: EnrollmentCase, order: OrderRef, also_write: AlsoWrite) -> AlsoWrite:
    """`also_write`, and news to the BAP that placed the order where the customer came through another (decision 10)."""

    def write(result: Result) -> None:
        also_write(result)
        if case.bap_id != order.bap_id and not isinstance(result, Refused):
            enrollment_changed.send(EnrollmentCase, result=result, case=case, action="on_update")

    return write


# --- unenrolment and withdrawal --------------------------------------------------------------------------------------


def end(command: EndEnrollment, *, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    """Unenrol now or at a moment to come: enrolment credential and consents are revoked in the same transaction.

    A past `effective_at` means now; a future one frees the meters from then on and can be withdrawn until then.
    Asking again answers the same, with the first moment kept. Source: onboarding guide 17.7.
    """
    case = find_case(command.order)
    if case is None or (command.enrollment_id and not _is_of(case, command.enrollment_id)):
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    return _end(case, command, actor, now, telling_the_bap_of_record(case, command.order, also_write))


def _time_was_taken() -> Refusal:
    return Refusal(
        Code.ENROLLMENT_CONFLICT,
        "The end cannot be moved: the meter is enrolled in another program from the earlier end on.",
        field="order",
    )


def _end(case: EnrollmentCase, command: EndEnrollment, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    with transaction.atomic():
        case, enrollment = locked_enrollment(case)
        refusal = None
        if enrollment is None:
            refusal = _not_enrolled(case)
        elif enrollment.state in LIVE_ENROLLMENT_STATES:
            refusal = _act(enrollment, command, actor, now)
        if refusal is not None or enrollment is None:
            assert refusal is not None
            return refused(case, refusal, actor, now, also_write, command.order.transaction_id)
        result = ended(case, enrollment, now, command.order.transaction_id)
        also_write(result)
    return result


def _act(enrollment: Enrollment, command: EndEnrollment, actor: Actor, now: datetime) -> Refusal | None:
    """End the live enrolment now, plan its end, or take a planned end back; a refusal changes nothing."""
    at, upper = command.effective_at, enrollment.period.upper
    if command.is_withdrawn:
        return _stay(enrollment, actor, now)
    if at is None or at <= now:
        end_now(enrollment, command.reason, actor, now, keep_outliving=not command.revoke_all_consents)
        return None
    if upper is not None and at >= upper:
        return _ends_before(enrollment)
    return _schedule_end(enrollment, at, command, actor, now)


def _is_of(case: EnrollmentCase, enrollment_id: str) -> bool:
    return Enrollment.objects.filter(case=case, enrollment_id=enrollment_id).exists()


def _not_enrolled(case: EnrollmentCase) -> Refusal:
    return Refusal(
        Code.NOT_POSSIBLE_NOW,
        f"The order is {case.state}: there is no enrolment to end. Use cancel to withdraw the application.",
        field="order",
        details={"state": case.state},
    )


def _ends_before(enrollment: Enrollment) -> Refusal:
    return Refusal(
        Code.DATES_INVALID,
        "The enrolment ends before that moment anyway.",
        field="dates",
        details={"latest": enrollment.period.upper},
    )


def _schedule_end(
    enrollment: Enrollment, at: datetime, command: EndEnrollment, actor: Actor, now: datetime
) -> Refusal | None:
    earlier = enrollment.end_scheduled_for
    if earlier is not None and at > earlier and not _claimed_again(enrollment, earlier, at, now):
        return _time_was_taken()
    claims.end_claims(enrollment, at)
    enrollment.end_scheduled_for, enrollment.end_reason = at, command.reason[:60]
    enrollment.end_keeps_outliving_consents = not command.revoke_all_consents
    event = record(Action.ENROLLMENT_END_SCHEDULED, enrollment, actor, now, {"at": at.isoformat()})
    enrollment.end_log_reference = event
    enrollment.save()
    notices.tell_enrolled(enrollment, "enrollment-end-planned", now, at=at.isoformat())
    return None


def _claimed_again(enrollment: Enrollment, freed_from: datetime, until: datetime | None, now: datetime) -> bool:
    """Claim the time that a planned end had freed; False where somebody has taken some of it since."""
    since = max(freed_from, enrollment.period.lower)
    if until is not None and until <= since:
        return True  # it lies before the start: nothing is claimed for it
    version = enrollment.program_version
    umids = list(enrollment.meters.values_list("umid", flat=True))
    wanted = wanted_of(version, umids, list(enrollment.ders.values_list("der_ref", flat=True)))
    claimant = claims.Claimant(enrollment.case_id, enrollment.subject_id, version.program_id)
    claims.lock(wanted)
    claims.release_what_may_be_released(wanted, claimant, now)
    there = claims.incumbents(wanted, claimant, since, until, zone=_ZONE, now=now)
    others = [i for i in there if i.enrollment_id != enrollment.enrollment_id]
    if find_conflicts(version, wanted, others):
        return False
    claims.restore_claims(enrollment, wanted, until)
    return True


def _stay(enrollment: Enrollment, actor: Actor, now: datetime) -> Refusal | None:
    """Take a planned end back; the freed time is claimed again."""
    if enrollment.end_scheduled_for is None:
        return None
    if not _claimed_again(enrollment, enrollment.end_scheduled_for, enrollment.period.upper, now):
        return _time_was_taken()
    enrollment.end_scheduled_for, enrollment.end_reason, enrollment.end_keeps_outliving_consents = None, "", False
    enrollment.end_log_reference = record(Action.ENROLLMENT_END_WITHDRAWN, enrollment, actor, now, {})
    enrollment.save()
    notices.tell_enrolled(enrollment, "enrollment-end-withdrawn", now)
    return None


def end_now(enrollment: Enrollment, reason: str, actor: Actor, now: datetime, *, keep_outliving: bool = False) -> None:
    """Cancel a live, locked enrolment: claims freed, credential and consents revoked. Caller's transaction."""
    before = enrollment.state
    claims.end_claims(enrollment, now)
    places.give_back(enrollment)
    enrollment.state, enrollment.cancelled_at = EnrollmentState.CANCELLED, now
    enrollment.end_reason, enrollment.end_scheduled_for, enrollment.repair_until = reason[:60], None, None
    consents = list(Consent.objects.filter(enrollment=enrollment, state=ConsentState.GRANTED))
    revoked = [c for c in consents if not (keep_outliving and c.outlives_enrollment)]
    credentials.revoke(
        [enrollment.credential_id, *(c.credential_id for c in revoked)], at=now, reason=reason[:60], actor=actor
    )
    mark_revoked(revoked, reason, actor, now)
    if revoked:
        record(Action.CONSENT_REVOKED, enrollment, actor, now, {"types": [c.consent_type for c in revoked]})
    enrollment.end_log_reference = record(
        Action.ENROLLMENT_CANCELLED,
        enrollment,
        actor,
        now,
        {"reason": enrollment.end_reason, "consents_revoked": len(revoked)},
        before=before,
    )
    enrollment.save()
    told.note(enrollment, told.ENDED, now, now, reason=enrollment.end_reason)
    notices.tell_enrolled(enrollment, "enrollment-ended", now, reason=enrollment.end_reason)


def ended(case: EnrollmentCase, enrollment: Enrollment, now: datetime, transaction_id: str = "") -> Ended:
    """The answer about an enrolment that ended or is about to."""
    order = orders.of_rows(case, enrollment, transaction_id=transaction_id)
    assert order.enrollment is not None
    revoked = tuple(c for c in order.enrollment.consents if c.state == ConsentState.REVOKED)
    is_pending = enrollment.state in LIVE_ENROLLMENT_STATES
    return Ended(order, revoked, now, enrollment.end_log_reference, is_pending)


def cancel(command: EndEnrollment, *, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    """Before the confirm: withdraw the application. After it: unenrol (domain 3)."""
    case = find_case(command.order)
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    if case.state == CaseState.CONFIRMED:
        return end(command, actor=actor, now=now, also_write=also_write)
    also_write = telling_the_bap_of_record(case, command.order, also_write)
    with transaction.atomic():
        case, enrollment = locked_enrollment(case)
        if enrollment is not None:  # confirmed a moment ago
            if enrollment.state in LIVE_ENROLLMENT_STATES:
                end_now(enrollment, command.reason, actor, now)
            result: Result = ended(case, enrollment, now, command.order.transaction_id)
            also_write(result)
            return result
        reference = ""
        if case.state in OPEN_CASE_STATES or case.state == CaseState.REJECTED:
            reference = withdraw_case(case, CaseState.WITHDRAWN, Action.CASE_WITHDRAWN, actor, now)
        result = Withdrawn(orders.of_case(case, transaction_id=command.order.transaction_id), now, reference)
        also_write(result)
    return result


def withdraw_case(case: EnrollmentCase, state: CaseState, action: Action, actor: Actor, now: datetime) -> str:
    """Close a locked case and let its hold go; returns the journal reference. Caller's transaction."""
    before = case.state
    claims.drop_holds(case)
    stop_waiting(case)
    case.state, case.updated_at, case.payload = state, now, None
    case.save()
    event = log.record(
        action,
        actor=actor,
        at=now,
        subject=str(case.subject_id or ""),
        object_type="case",
        object_id=str(case.pk),
        before={"state": before},
        after={"state": case.state},
    )
    return event.reference


def mark_revoked(consents: Sequence[Consent], reason: str, actor: Actor, now: datetime) -> None:
    for consent in consents:
        consent.state, consent.revoked_at, consent.revoke_scheduled_for = ConsentState.REVOKED, now, None
        consent.revocation_reason = reason[:60]
    if consents:
        Consent.objects.bulk_update(
            consents,
            ["state", "revoked_at", "revoke_scheduled_for", "revocation_reason", "claimed_revoked_at"],
        )
        ConsentEvent.objects.bulk_create(
            ConsentEvent(
                consent=c,
                event="REVOKED",
                at=now,
                actor_kind=actor.kind,
                actor_id=actor.id,
                detail={"reason": reason[:60], "claimedAt": c.claimed_revoked_at},
            )
            for c in consents
        )


# --- suspension ------------------------------------------------------------------------------------------------------


def suspend(enrollment: Enrollment, reason: str, actor: Actor, now: datetime) -> None:
    """Suspend a live, locked enrolment: its credential's bit is set, its claims stay. Caller's transaction."""
    if enrollment.state == EnrollmentState.SUSPENDED:
        return
    before = enrollment.state
    enrollment.state, enrollment.suspended_at = EnrollmentState.SUSPENDED, now
    enrollment.suspension_reason = reason[:60]
    enrollment.save()
    credentials.suspend([enrollment.credential_id], at=now, actor=actor)
    record(Action.ENROLLMENT_SUSPENDED, enrollment, actor, now, {"reason": reason[:60]}, before=before)
    told.note(enrollment, told.SUSPENDED, now, now, reason=reason[:60])
    if reason != NOT_ME:  # whoever said so is told in other words
        until = {"repairUntil": enrollment.repair_until.isoformat()} if enrollment.repair_until else {}
        notices.tell_enrolled(enrollment, "enrollment-suspended", now, reason=reason[:60], **until)


def resume(enrollment: Enrollment, actor: Actor, now: datetime) -> bool:
    """Take a suspension back; False where it stays. Caller's transaction.

    While the customer's "this was not me" stands nothing goes on: what suspended it before is over, that is not.
    """
    if enrollment.state != EnrollmentState.SUSPENDED:
        return False
    if enrollment.case.is_frozen:
        enrollment.suspension_reason, enrollment.repair_until = NOT_ME, None
        enrollment.save(update_fields=["suspension_reason", "repair_until"])
        return False
    is_to_come = enrollment.period.lower > now
    enrollment.state = EnrollmentState.SCHEDULED if is_to_come else EnrollmentState.ACTIVE
    enrollment.suspended_at, enrollment.suspension_reason, enrollment.repair_until = None, "", None
    enrollment.save()
    credentials.resume([enrollment.credential_id], at=now, actor=actor)
    record(Action.ENROLLMENT_RESUMED, enrollment, actor, now, {}, before=EnrollmentState.SUSPENDED)
    told.note(enrollment, told.RESUMED, now, now)
    notices.tell_enrolled(enrollment, "enrollment-resumed", now)
    return True


def record(
    action: Action, enrollment: Enrollment, actor: Actor, now: datetime, details: Mapping[str, object], before: str = ""
) -> str:
    event = log.record(
        action,
        actor=actor,
        at=now,
        subject=str(enrollment.subject_id),
        object_type="enrollment",
        object_id=enrollment.enrollment_id,
        before={"state": before} if before else None,
        after={"state": enrollment.state},
        details=details,
    )
    return event.reference
