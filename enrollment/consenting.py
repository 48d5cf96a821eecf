"""Consents of an enrolment: withdrawing and granting them, and what the program says follows.

Writers behind enrollment.services. Source: onboarding guide 17.6, decisions 8, 11, 33, 34, 35, 62.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from audit.log import Action, Actor
from credentials import services as credentials
from credentials.addresses import resolve_id
from enrollment import frozen, notices, orders
from enrollment.codes import Code, Refusal
from enrollment.commands import GrantConsents, WithdrawConsent
from enrollment.confirming import find_case, refuse_unknown
from enrollment.consents import agreed_consents, consent_claims, key_of
from enrollment.ending import (
    end_now,
    locked_enrollment,
    mark_revoked,
    record,
    refused,
    resume,
    suspend,
    telling_the_bap_of_record,
)
from enrollment.enrolling import subject_uri, write_consents
from enrollment.models import Consent, ConsentEvent, Enrollment
from enrollment.results import AlsoWrite, ConsentsGranted, ConsentWithdrawn, Result
from enrollment.states import LIVE_ENROLLMENT_STATES, ConsentState, EnrollmentState, OnConsentRevoked

#: Why an enrolment is suspended, or ended, when a consent it needs is withdrawn.
CONSENT_SUSPENSION = "REQUIRED_CONSENT_REVOKED"


def withdraw_consent(command: WithdrawConsent, *, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    """Revoke one consent and do what the program says follows: KEEP, SUSPEND or CANCEL (decision 8)."""
    case = find_case(command.order)
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    also_write = telling_the_bap_of_record(case, command.order, also_write)
    with transaction.atomic():
        case, enrollment = locked_enrollment(case)
        consent = _find_consent(enrollment, command) if enrollment is not None else None
        if enrollment is None or consent is None:
            refusal = Refusal(Code.CONSENT_NOT_FOUND, "There is no such consent in this order.", field="consent")
            return refused(case, refusal, actor, now, also_write, command.order.transaction_id)
        is_pending = False
        if consent.state == ConsentState.GRANTED:
            consent.claimed_revoked_at = command.claimed_at[:40]
            if command.effective_at is not None and command.effective_at > now:
                _schedule_revocation(enrollment, consent, command.effective_at, command.reason, actor, now)
                is_pending = True
            else:
                revoke_consent(enrollment, consent, command.reason, actor, now)
        order = orders.of_rows(case, enrollment, transaction_id=command.order.transaction_id)
        assert order.enrollment is not None
        line = next(c for c in order.enrollment.consents if c.consent_id == consent.consent_id)
        result = ConsentWithdrawn(order, line, now, is_pending)
        also_write(result)
    return result


def _schedule_revocation(
    enrollment: Enrollment, consent: Consent, at: datetime, reason: str, actor: Actor, now: datetime
) -> None:
    consent.revoke_scheduled_for, consent.revocation_reason = at, reason[:60]
    consent.save()
    detail = {"consent": consent.consent_id, "type": consent.consent_type, "effective_at": at.isoformat()}
    record(Action.CONSENT_REVOKED, enrollment, actor, now, detail)
    ConsentEvent.objects.create(
        consent=consent,
        event="REVOCATION_PLANNED",
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        detail={"reason": reason[:60], "claimedAt": consent.claimed_revoked_at, "effectiveAt": at.isoformat()},
    )


def _find_consent(enrollment: Enrollment, command: WithdrawConsent) -> Consent | None:
    """By credential id in any spelling, else by type: the live one first, else the last revoked (decision 11)."""
    consents = Consent.objects.select_for_update(of=("self",)).filter(enrollment=enrollment)
    if command.consent_reference:
        credential_id = resolve_id(command.consent_reference)
        if credential_id is not None:
            return consents.filter(credential_id=credential_id).first()
        return consents.filter(consent_id=command.consent_reference.rsplit("/", 1)[-1]).first()
    of_type = consents.filter(consent_type=command.consent_type)
    return of_type.filter(state=ConsentState.GRANTED).first() or of_type.order_by("-granted_at", "-pk").first()


def revoke_consent(enrollment: Enrollment, consent: Consent, reason: str, actor: Actor, now: datetime) -> None:
    """Revoke a granted consent of a locked enrolment; suspend or cancel as the program says. Caller's transaction."""
    credentials.revoke([consent.credential_id], at=now, reason=reason[:60], actor=actor)
    mark_revoked([consent], reason, actor, now)
    record(
        Action.CONSENT_REVOKED, enrollment, actor, now, {"consent": consent.consent_id, "type": consent.consent_type}
    )
    notices.tell_enrolled(enrollment, "consent-withdrawn", now, consent=notices.consent_key(consent.key))
    if not consent.is_required or enrollment.state not in LIVE_ENROLLMENT_STATES:
        return
    follows = enrollment.program_version.on_required_consent_revoked
    if follows == OnConsentRevoked.CANCEL:
        end_now(enrollment, CONSENT_SUSPENSION, actor, now)
    elif follows == OnConsentRevoked.SUSPEND:
        suspend(enrollment, CONSENT_SUSPENSION, actor, now)


def grant_consents(command: GrantConsents, *, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    """Grant (again) consents of a live enrolment; each is a new credential. Ends a suspension for lack of consent."""
    case = find_case(command.order)
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    also_write = telling_the_bap_of_record(case, command.order, also_write)
    with transaction.atomic():
        case, enrollment = locked_enrollment(case)
        if enrollment is None or not _is_live(enrollment, now):
            refusal = Refusal(
                Code.NOT_POSSIBLE_NOW,
                "There is no live enrolment to consent for.",
                field="order",
                details={"state": enrollment.state if enrollment else case.state},
            )
            return refused(case, refusal, actor, now, also_write, command.order.transaction_id)
        if case.is_frozen:
            return refused(case, frozen.refusal(), actor, now, also_write, command.order.transaction_id)
        live = {c.key: c for c in Consent.objects.filter(enrollment=enrollment, state=ConsentState.GRANTED)}
        umids = list(enrollment.meters.values_list("umid", flat=True))
        ders = list(enrollment.ders.values_list("der_ref", flat=True))
        kept = [live[g.key] for g in command.consents if g.granted and g.key in live]
        to_be_kept = {c.key for c in kept if c.revoke_scheduled_for is not None}
        grants = [g for g in command.consents if g.key not in live or g.key in to_be_kept]
        found = agreed_consents(enrollment.program_version, grants, umids, ders, now=now, only_given=True)
        if isinstance(found, Refusal):
            return refused(case, found, actor, now, also_write, command.order.transaction_id)
        agreed = tuple(c for c in found if c.key not in live)
        _take_planned_revocations_back([live[each] for each in sorted(to_be_kept)], enrollment, actor, now)
        issued = credentials.issue(
            [
                credentials.NewCredential(
                    kind="CONSENT",
                    subject_did=subject_uri(enrollment.subject),
                    claims=consent_claims(c, valid_from=now, valid_until=enrollment.period.upper),
                    valid_from=now,
                    valid_until=enrollment.period.upper,
                    wire_valid_until=enrollment.end_as_given or None,
                    subject_pk=str(enrollment.subject.pk),
                )
                for c in agreed
            ],
            now=now,
            actor=actor,
        )
        lines = write_consents(enrollment, agreed, issued, actor, now)
        if agreed:
            record(Action.CONSENT_GRANTED, enrollment, actor, now, {"types": [c.type for c in agreed]})
        for each in agreed:
            notices.tell_enrolled(enrollment, "consent-granted", now, consent=notices.consent_key(each.key))
        _resume_if_consents_are_complete(enrollment, actor, now)
        order = orders.of_rows(case, enrollment, transaction_id=command.order.transaction_id)
        assert order.enrollment is not None
        fresh = {line.consent_id: line for line in lines}
        # Only now is the link's token known: the lines just written carry it.
        consents = tuple(fresh.get(c.consent_id, c) for c in order.enrollment.consents)
        # A consent that was live already is answered like a fresh one: asking again changes nothing.
        asked = {g.key for g in command.consents if g.granted}
        granted = tuple(c for c in consents if c.state == ConsentState.GRANTED and c.key in asked)
        result = ConsentsGranted(order.with_enrollment(replace(order.enrollment, consents=consents)), granted, now)
        also_write(result)
    return result


def _is_live(enrollment: Enrollment, now: datetime) -> bool:
    """A live state is not enough: the clock's job may be a second behind the end."""
    ends_at = enrollment.period.upper
    return enrollment.state in LIVE_ENROLLMENT_STATES and (ends_at is None or ends_at > now)


def _take_planned_revocations_back(
    consents: Sequence[Consent], enrollment: Enrollment, actor: Actor, now: datetime
) -> None:
    """Whoever grants again what they had planned to withdraw has changed their mind: the consent stays."""
    for consent in consents:
        consent.revoke_scheduled_for, consent.revocation_reason, consent.claimed_revoked_at = None, "", ""
        consent.save()
        ConsentEvent.objects.create(
            consent=consent, event="REVOCATION_DROPPED", at=now, actor_kind=actor.kind, actor_id=actor.id
        )
    if consents:
        record(Action.CONSENT_GRANTED, enrollment, actor, now, {"kept": [c.consent_type for c in consents]})


def _resume_if_consents_are_complete(enrollment: Enrollment, actor: Actor, now: datetime) -> None:
    if enrollment.state != EnrollmentState.SUSPENDED or enrollment.suspension_reason != CONSENT_SUSPENSION:
        return
    granted = {c.key for c in Consent.objects.filter(enrollment=enrollment, state=ConsentState.GRANTED)}
    required = {key_of(c) for c in enrollment.program_version.required_consents if c.get("required", True)}
    if required <= granted:
        resume(enrollment, actor, now)
