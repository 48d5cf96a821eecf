"""A customer says "this was not me": everything of that order stops, until staff has cleared it up and releases it.

An application goes no further, a living enrolment is suspended with its credential; leaving and withdrawing a consent
stay possible. The BAP of record is told, the utility's billing of the suspension, the customer that it was heard, and
the journal. Source: issue 5 (8, 12), personas EA-4, decision 57.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from django.db import transaction

from audit import log
from audit.log import Action, Actor, ActorKind, Channel
from enrollment import claims, ending, not_me_links, notices, orders, reviews
from enrollment.frozen import NOT_ME
from enrollment.models import Enrollment, EnrollmentCase, NotMeLink
from enrollment.results import Snapshot
from enrollment.signals import enrollment_changed
from enrollment.states import LIVE_ENROLLMENT_STATES, OPEN_CASE_STATES, CaseState
from enrollment.waiting import stop_waiting
from identity import mandates
from identity.models import Mandate

STOPPED = "The customer says that this was not them: it is stopped until the program owner has cleared it up."
TAKEN_BACK = "The customer has taken the agency's mandate back: it may not act for them any more."
ENDED = "The program owner has cleared it up: the application is closed."
RELEASED = "The program owner has cleared it up. An open application goes on with a new init or confirm."


class Heard(Enum):
    """What became of an address that somebody opened or used."""

    UNKNOWN = auto()
    EXPIRED = auto()
    USED = auto()
    OPEN = auto()
    STOPPED = auto()
    TAKEN_BACK = auto()


@dataclass(frozen=True)
class Found:
    """What an address is about. `cases` are the orders it stops, each with its program; `mandates`, by which an agency
    acts in them and that still count."""

    heard: Heard
    cases: Sequence[EnrollmentCase] = ()
    mandates: Sequence[Mandate] = ()


def look(token: str, now: datetime) -> Found:
    """What the address is about; changes nothing."""
    link = not_me_links.find(token)
    if link is None:
        return Found(Heard.UNKNOWN)
    cases = _cases(link)
    return Found(_state(link, now), cases, _mandates(cases))


def stop(token: str, now: datetime) -> Found:
    """Stop what the address is about, once: USED and EXPIRED say that it was not this time."""
    with transaction.atomic():
        digest = not_me_links.digest_of(token)
        if not NotMeLink.objects.select_for_update(of=("self",)).filter(token_digest=digest).exists():
            return Found(Heard.UNKNOWN)
        link = not_me_links.find(token)
        assert link is not None
        found = Found(_state(link, now), _cases(link))
        if found.heard is not Heard.OPEN:
            return found
        link.used_at = now
        link.save(update_fields=["used_at"])
        for case in sorted(found.cases, key=lambda each: each.pk):
            _stop(case, now)
    return Found(Heard.STOPPED, found.cases)


def take_mandates_back(token: str, now: datetime) -> Found:
    """End the mandates by which an agency acts in what the address is about; all else stays, the address, too."""
    with transaction.atomic():
        link = not_me_links.find(token)
        if link is None or _state(link, now) is not Heard.OPEN:
            return look(token, now)
        found = Found(Heard.TAKEN_BACK, _cases(link))
        for case in sorted(found.cases, key=lambda each: each.pk):
            case, enrollment = ending.locked_enrollment(case)
            if _end_mandates(case, now):
                notices.tell(case, "mandate-taken-back", now)
                _tell(case, enrollment, TAKEN_BACK, now)
    return found


def _mandates(cases: Sequence[EnrollmentCase]) -> Sequence[Mandate]:
    """Every living word of these customers that the agency may act for them: one that they know nothing of is worth
    as little as another."""
    agencies = {case.agency_id for case in cases if case.agency_id and case.subject_id}
    if not agencies:
        return ()
    found = Mandate.objects.select_related("agency").filter(
        subject__in={case.subject_id for case in cases},
        agency__agency_id__in=agencies,
        state__in=[Mandate.State.ACTIVE, Mandate.State.PENDING],
    )
    return list(found)


def _end_mandates(case: EnrollmentCase, now: datetime) -> int:
    living = _mandates([case])
    for mandate in living:
        mandates.revoke(mandate, by=mandates.CUSTOMER, now=now)
    return len(living)


def _state(link: NotMeLink, now: datetime) -> Heard:
    if link.used_at is not None:
        return Heard.USED
    return Heard.EXPIRED if link.expires_at <= now else Heard.OPEN


def _cases(link: NotMeLink) -> list[EnrollmentCase]:
    """The order of the notice; of one that told of a basket, all its orders of the same customer."""
    case = link.notice.case
    if link.notice.template != notices.CONFIRMED or not case.batch_id:
        return [case]
    basket = EnrollmentCase.objects.filter(bap_id=case.bap_id, batch_id=case.batch_id, subject=case.subject_id)
    return list(basket.select_related("program_version__program").order_by("pk"))


def _stop(case: EnrollmentCase, now: datetime) -> None:
    case, enrollment = ending.locked_enrollment(case)
    if case.is_frozen:
        return
    actor = Actor(ActorKind.PERSON, str(case.subject_id or ""), Channel.PORTAL)
    before = enrollment.state if enrollment is not None else case.state
    stop_waiting(case)
    case.frozen_at = case.updated_at = now
    case.save()
    if enrollment is None:
        claims.drop_holds(case)
    elif enrollment.state in LIVE_ENROLLMENT_STATES:
        enrollment.case = case
        ending.suspend(enrollment, NOT_ME, actor, now)
    _end_mandates(case, now)
    _journal(Action.CASE_FROZEN, case, enrollment, actor, now, before=before)
    if case.subject_id is not None:
        notices.tell(case, "not-me-received", now)
    _tell(case, enrollment, STOPPED, now)


def release(case: EnrollmentCase, reason: str, *, actor: Actor, now: datetime) -> bool:
    """Let a stopped order go on: staff has cleared it up. False where it is not stopped. `reason` is a code."""
    with transaction.atomic():
        case, enrollment = ending.locked_enrollment(case)
        if not case.is_frozen:
            return False
        case.frozen_at, case.updated_at = None, now
        case.save()
        if enrollment is not None and enrollment.suspension_reason == NOT_ME:
            enrollment.case = case
            ending.resume(enrollment, actor, now)
        if case.state in OPEN_CASE_STATES:
            reviews.go_on_after_review(case, now)
        _journal(Action.CASE_RELEASED, case, enrollment, actor, now, reason=reason[:60])
        if case.subject_id is not None:
            notices.tell(case, "not-me-released", now)
        _tell(case, enrollment, RELEASED, now)
    return True


def withdraw(case: EnrollmentCase, reason: str, *, actor: Actor, now: datetime) -> bool:
    """End a stopped application for good: it was not its customer's. `reason` is a code.

    False where it is not stopped, or where an enrolment came of it: that one is ended.
    """
    with transaction.atomic():
        case, enrollment = ending.locked_enrollment(case)
        if not case.is_frozen or enrollment is not None:
            return False
        case.frozen_at = None
        if case.state in (*OPEN_CASE_STATES, CaseState.REJECTED):
            ending.withdraw_case(case, CaseState.WITHDRAWN, Action.CASE_WITHDRAWN, actor, now)
        else:
            case.updated_at = now
            case.save()
        _journal(Action.CASE_RELEASED, case, enrollment, actor, now, reason=reason[:60])
        if case.subject_id is not None:
            notices.tell(case, "not-me-ended", now)
        _tell(case, enrollment, ENDED, now)
    return True


def _tell(case: EnrollmentCase, enrollment: Enrollment | None, sentence: str, now: datetime) -> None:
    snapshot = Snapshot(orders.of_rows(case, enrollment), now, sentence)
    enrollment_changed.send(EnrollmentCase, result=snapshot, case=case, action="on_status")


def _journal(
    action: Action,
    case: EnrollmentCase,
    enrollment: Enrollment | None,
    actor: Actor,
    now: datetime,
    *,
    before: str = "",
    reason: str = "",
) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=str(case.subject_id or ""),
        object_type="case",
        object_id=str(case.pk),
        before={"state": before} if before else None,
        after={"state": enrollment.state if enrollment is not None else case.state, "frozen": case.is_frozen},
        details={
            **({"reason": reason} if reason else {}),
            **({"agency": case.agency_id, "operator": case.operator_id} if case.agency_id else {}),
        },
    )
