"""What the program owner's staff does to one order: end it, suspend, resume, revoke a consent, release a stopped one.

Each is the service that everybody else uses, in one transaction with what only staff leaves behind: the reason, a note
for colleagues (`StaffAct`), and the wish to have the public lists looked at (`credentials.looks`). Whoever placed the
order is told without having asked. Source: issue of the console (3), screens C4, decisions 33, 52, 62.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.log import Actor
from credentials import looks
from credentials.models import IssuedCredential, Purpose
from enrollment import consenting, ending, freezing, in_the_way, standing
from enrollment.commands import EndEnrollment, OrderRef, WithdrawConsent
from enrollment.in_the_way import Obstacle
from enrollment.models import Consent, Enrollment, EnrollmentCase, StaffAct
from enrollment.results import AlsoWrite, Ended, Refused, Result
from enrollment.signals import enrollment_changed
from enrollment.states import LIVE_ENROLLMENT_STATES, ConsentState, EnrollmentState

Kind = StaffAct.Kind

#: Why staff does it. The code goes into the journal, to the customer (`enrollment/words`), the portal and the utility.
REASONS: Mapping[str, Mapping[str, Promise]] = {
    Kind.END: {
        "USER_REQUESTED": _("The customer has asked for it"),
        "MADE_IN_ERROR": _("The enrolment was made by mistake"),
        "FALSE_DETAILS": _("What was declared is not true"),
        "MISUSE": _("The rules of the program were broken"),
        "AUTHORITY_ORDER": _("An authority has ordered it"),
        "PROGRAM_ENDED": _("The program has ended"),
    },
    Kind.SUSPEND: {
        "UNDER_REVIEW": _("It is being looked into"),
        "SAFETY": _("For the safety of people or of the grid"),
        "MISUSE": _("The rules of the program were broken"),
        "AUTHORITY_ORDER": _("An authority has ordered it"),
    },
    Kind.RESUME: {
        "CLEARED_UP": _("What it was suspended for is cleared up"),
        "MADE_IN_ERROR": _("It was suspended by mistake"),
        "AUTHORITY_ORDER": _("An authority has ordered it"),
    },
    Kind.REVOKE_CONSENT: {
        "USER_REQUESTED": _("The customer has asked for it"),
        "MADE_IN_ERROR": _("The consent was recorded by mistake"),
        "MISUSE": _("The data was used for something else"),
        "AUTHORITY_ORDER": _("An authority has ordered it"),
    },
    Kind.STAY: {
        "USER_REQUESTED": _("The customer has asked for it"),
        "MADE_IN_ERROR": _("The end was planned by mistake"),
    },
    Kind.RELEASE: {
        "CALLED_BACK": _("The customer was called back and it was them"),
        "CLEARED_UP": _("It is cleared up in another way"),
    },
}


class NotPossible(Exception):
    """It cannot be done now, and nothing was done. `sentence` says why, in words for staff."""

    def __init__(self, sentence: str | Promise) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence


@dataclass(frozen=True)
class Asked:
    """Who does it, why, and what colleagues are to know."""

    reason: str
    actor: Actor
    now: datetime
    note: str = ""


_IN_THE_WAY: Mapping[Obstacle, Promise] = {
    Obstacle.NOT_ME: _(
        "The customer has said that this was not them. Clear that up and release the order; it goes on then."
    ),
    Obstacle.CONSENT: _(
        "A consent that the program needs was withdrawn. The enrolment goes on by itself when the customer gives it"
        " again."
    ),
    Obstacle.CERTIFICATE: _(
        "A device's certificate does not hold. The enrolment goes on by itself when a new certificate is given."
    ),
}


def possible(enrollment: Enrollment) -> Mapping[str, Promise | None]:
    """The acts that its state allows now, each with what is in its way (None: nothing is). Asks the database."""
    found: dict[str, Promise | None] = {}
    if enrollment.case.is_frozen:
        found[Kind.RELEASE] = None
    if enrollment.state in LIVE_ENROLLMENT_STATES:
        found[Kind.END] = None
        if enrollment.end_scheduled_for is not None:
            found[Kind.STAY] = None
    if enrollment.state in (EnrollmentState.SCHEDULED, EnrollmentState.ACTIVE):
        found[Kind.SUSPEND] = None
    if enrollment.state == EnrollmentState.SUSPENDED:
        obstacle = in_the_way.of(enrollment)
        found[Kind.RESUME] = _IN_THE_WAY[obstacle] if obstacle else None
    return found


# --- the acts --------------------------------------------------------------------------------------------------------


def end(enrollment: Enrollment, asked: Asked, *, at: datetime | None = None, keep_outliving: bool = False) -> StaffAct:
    """End it now, or plan its end; consents end with it, but those that outlive it may be kept (decision 62).

    Raises NotPossible.
    """
    command = EndEnrollment(
        order=_order(enrollment.case),
        enrollment_id=enrollment.enrollment_id,
        reason=asked.reason,
        effective_at=at,
        revoke_all_consents=not keep_outliving,
    )
    return _ending(enrollment, command, Kind.PLAN_END if at is not None and at > asked.now else Kind.END, asked, at)


def stay(enrollment: Enrollment, asked: Asked) -> StaffAct:
    """Take a planned end back. Raises NotPossible, also where somebody has taken the meter for the time after it."""
    command = EndEnrollment(
        order=_order(enrollment.case), enrollment_id=enrollment.enrollment_id, reason=asked.reason, is_withdrawn=True
    )
    return _ending(enrollment, command, Kind.STAY, asked, None)


def _ending(
    enrollment: Enrollment, command: EndEnrollment, kind: StaffAct.Kind, asked: Asked, at: datetime | None
) -> StaffAct:
    kept: list[StaffAct] = []

    def write(result: Result, case: EnrollmentCase, row: Enrollment) -> None:
        assert isinstance(result, Ended)
        changed = _revoked_at(row, asked.now) if kind == Kind.END else ()
        told = replace(result, reason=asked.reason)
        enrollment_changed.send(EnrollmentCase, result=told, case=case, action="on_update")
        kept.append(_keep(kind, case, row, asked, changed, at=at, log_reference=result.log_reference))

    with transaction.atomic():
        case, row = ending.locked_enrollment(enrollment.case)
        if row is None or row.state not in LIVE_ENROLLMENT_STATES:
            raise NotPossible(_("The enrolment is over already."))
        if kind == Kind.STAY and row.end_scheduled_for is None:
            raise NotPossible(_("No end is planned."))
        result = ending.end(
            command, actor=asked.actor, now=asked.now, also_write=_unless_refused(lambda r: write(r, case, row))
        )
    if isinstance(result, Refused):
        raise NotPossible(result.refusal.sentence)
    return kept[0]


def suspend(enrollment: Enrollment, asked: Asked) -> StaffAct:
    """Suspend one that runs or is to come: its credential's bit is set until it is resumed. Raises NotPossible."""
    with transaction.atomic():
        case, row = ending.locked_enrollment(enrollment.case)
        if row is None or not standing.suspend_locked(case, row, asked.reason, now=asked.now, actor=asked.actor):
            raise NotPossible(_("The enrolment is suspended or over already."))
        return _keep(Kind.SUSPEND, case, row, asked, (row.credential_id,), purpose=Purpose.SUSPENSION)


def resume(enrollment: Enrollment, asked: Asked) -> StaffAct:
    """Let a suspended enrolment go on. Raises NotPossible, also where something is in its way."""
    with transaction.atomic():
        case, row = ending.locked_enrollment(enrollment.case)
        obstacle = in_the_way.of(row) if row is not None and row.state == EnrollmentState.SUSPENDED else None
        if obstacle is not None:
            raise NotPossible(_IN_THE_WAY[obstacle])
        if row is None or not standing.resume_locked(case, row, now=asked.now, actor=asked.actor):
            raise NotPossible(_("The enrolment is not suspended."))
        return _keep(Kind.RESUME, case, row, asked, (row.credential_id,), purpose=Purpose.SUSPENSION, is_set=False)


def revoke_consent(consent: Consent, asked: Asked) -> StaffAct:
    """Revoke one consent; the program says whether its enrolment goes on, is suspended, or ends. Raises NotPossible."""
    enrollment = consent.enrollment
    command = WithdrawConsent(
        order=_order(enrollment.case), consent_reference=str(consent.credential_id), reason=asked.reason
    )
    kept: list[StaffAct] = []

    def write(result: Result, case: EnrollmentCase, before: EnrollmentState) -> None:
        row = Enrollment.objects.get(pk=enrollment.pk)
        enrollment_changed.send(EnrollmentCase, result=result, case=case, action="on_update")
        act = _keep(Kind.REVOKE_CONSENT, case, row, asked, _revoked_at(row, asked.now), consent=consent)
        if row.state == EnrollmentState.SUSPENDED and before != EnrollmentState.SUSPENDED:
            _ask_to_look(act, (row.credential_id,), Purpose.SUSPENSION, asked.now)
        kept.append(act)

    with transaction.atomic():
        case, row = ending.locked_enrollment(enrollment.case)
        fresh = Consent.objects.get(pk=consent.pk)
        if row is None or fresh.state != ConsentState.GRANTED:
            raise NotPossible(_("The consent is not given any more."))
        before = EnrollmentState(row.state)
        result = consenting.withdraw_consent(
            command,
            actor=asked.actor,
            now=asked.now,
            also_write=_unless_refused(lambda r: write(r, case, before)),
        )
    if isinstance(result, Refused):
        raise NotPossible(result.refusal.sentence)
    return kept[0]


def release(case: EnrollmentCase, asked: Asked) -> StaffAct:
    """Let an order go on that its customer has stopped. Raises NotPossible."""
    with transaction.atomic():
        case, row = ending.locked_enrollment(case)
        before = row.state if row is not None else ""
        if not freezing.release(case, asked.reason, actor=asked.actor, now=asked.now):
            raise NotPossible(_("The order is not stopped."))
        if row is not None:
            row.refresh_from_db()
        resumed = row is not None and before == EnrollmentState.SUSPENDED and row.state != before
        changed = (row.credential_id,) if resumed and row is not None else ()
        return _keep(Kind.RELEASE, case, row, asked, changed, purpose=Purpose.SUSPENSION, is_set=False)


# --- what it leaves behind -------------------------------------------------------------------------------------------


def _order(case: EnrollmentCase) -> OrderRef:
    return OrderRef(case.bap_id, case.order_id, case.bap_uri, domain=case.domain, profile=case.profile)


def _unless_refused(write: Callable[[Result], None]) -> AlsoWrite:
    return lambda result: None if isinstance(result, Refused) else write(result)


def _revoked_at(enrollment: Enrollment, now: datetime) -> Sequence[UUID]:
    """The credentials of an enrolment and its consents that were revoked at this very moment."""
    consents = Consent.objects.filter(enrollment=enrollment).values_list("credential_id", flat=True)
    ids = [enrollment.credential_id, *consents]
    revoked = IssuedCredential.objects.filter(pk__in=ids, revoked_at=now).order_by()
    return list(revoked.values_list("pk", flat=True))


def _keep(
    kind: StaffAct.Kind,
    case: EnrollmentCase,
    enrollment: Enrollment | None,
    asked: Asked,
    changed: Sequence[UUID],
    *,
    purpose: Purpose = Purpose.REVOCATION,
    is_set: bool = True,
    **more: Any,
) -> StaffAct:
    act = StaffAct.objects.create(
        kind=kind,
        case=case,
        enrollment=enrollment,
        reason=asked.reason[:60],
        note=asked.note,
        by=asked.actor.id,
        at=asked.now,
        effective_at=more.get("at"),
        credentials=list(changed),
        consent=more.get("consent"),
        log_reference=more.get("log_reference", ""),
    )
    _ask_to_look(act, changed, purpose, asked.now, is_set=is_set)
    return act


def _ask_to_look(
    act: StaffAct, changed: Sequence[UUID], purpose: Purpose, now: datetime, *, is_set: bool = True
) -> None:
    if changed:
        looks.ask(about(act), changed, purpose=purpose, is_set=is_set, now=now)


def about(act: StaffAct) -> str:
    """How the looks at the public lists name this act (`credentials.looks`)."""
    return f"staff:{act.pk}"
