"""An update REMOVE_METER: meters that leave a live enrolment; with the last one it ends (R-P2.6, R-P7.6, P7-5).

Nobody outside is asked: leaving never waits for a utility. The devices behind a meter leave with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit.log import Action, Actor
from credentials import services as credentials
from enrollment import claims, ending, notices, orders, places, told
from enrollment.codes import Code, Refusal
from enrollment.commands import RemoveMeters
from enrollment.confirming import find_case, refuse_unknown
from enrollment.criteria import DER_CRITERIA
from enrollment.facts import meter_not_found
from enrollment.models import Claim, Consent, Enrollment, EnrollmentCase, ReliedCertificate
from enrollment.reissuing import reissue, superseded_lines, with_fresh
from enrollment.results import AlsoWrite, MetersChanged, Result
from enrollment.states import LIVE_ENROLLMENT_STATES, ConsentState

#: Why a consent ends that spoke of no other meter, and why an enrolment does whose last meter left.
LEFT = "METERS_REMOVED"


def remove_meters(command: RemoveMeters, *, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    """Take meters out of an enrolment. Asking again changes nothing; the last meter is an unenrolment."""
    case = find_case(command.order)
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    also_write = ending.telling_the_bap_of_record(case, command.order, also_write)
    transaction_id = command.order.transaction_id
    with transaction.atomic():
        case, enrollment = ending.locked_enrollment(case)
        refusal = _refusal(case, enrollment, command)
        if refusal is not None or enrollment is None:
            assert refusal is not None
            return ending.refused(case, refusal, actor, now, also_write, transaction_id)
        enrolled = list(enrollment.meters.order_by("pk").values_list("umid", flat=True))
        leaving = [umid for umid in enrolled if umid in set(command.meters)]
        result: Result
        if len(leaving) == len(enrolled):
            ending.end_now(enrollment, command.reason or LEFT, actor, now)
            result = ending.ended(case, enrollment, now, transaction_id)
        else:
            result = _left(case, enrollment, leaving, command.reason, actor, now, transaction_id)
        also_write(result)
    return result


def _refusal(case: EnrollmentCase, enrollment: Enrollment | None, command: RemoveMeters) -> Refusal | None:
    if enrollment is None or enrollment.state not in LIVE_ENROLLMENT_STATES:
        state = enrollment.state if enrollment is not None else case.state
        sentence = "There is no live enrolment that a meter could leave."
        return Refusal(Code.NOT_POSSIBLE_NOW, sentence, field="order", details={"state": state})
    if not command.meters:
        return Refusal(Code.NO_METER, "Name at least one meter.", field="meters")
    enrolled = set(enrollment.meters.values_list("umid", flat=True))
    # One that has left before is no mistake: the message came twice.
    ever = set(Claim.objects.filter(enrollment=enrollment, kind="METER").values_list("reference", flat=True))
    unknown = next((umid for umid in command.meters if umid not in enrolled | ever), None)
    if unknown is not None:
        return meter_not_found(unknown)
    staying = enrolled - set(command.meters)
    return _no_device_left(enrollment, set(command.meters)) if staying else None


def _no_device_left(enrollment: Enrollment, leaving: set[str]) -> Refusal | None:
    """A program for devices goes on only with one."""
    behind = set(enrollment.ders.values_list("der__primary_umid", flat=True))
    asks = any(c["kind"] in DER_CRITERIA for c in enrollment.program_version.criteria)
    if not asks or not behind or behind - leaving:
        return None
    return Refusal(
        Code.NOT_POSSIBLE_NOW,
        "The program needs a device, and all of this enrolment's are behind that meter. Leave the program instead.",
        field="meters",
        details={"state": enrollment.state},
    )


def _left(
    case: EnrollmentCase,
    enrollment: Enrollment,
    leaving: Sequence[str],
    reason: str,
    actor: Actor,
    now: datetime,
    transaction_id: str,
) -> MetersChanged:
    if not leaving:
        order = orders.of_rows(case, enrollment, transaction_id=transaction_id)
        return MetersChanged(order, now, enrollment.log_reference, is_adding=False)
    ders = list(enrollment.ders.filter(der__primary_umid__in=leaving).values_list("der_ref", flat=True))
    told.note_meters_changed(enrollment, now, now, left=leaving)
    notices.tell_enrolled(enrollment, "enrollment-meters-removed", now)
    # How long each was enrolled stays written in its claim.
    claims.end_claims_on(enrollment, [*leaving, *ders], now)
    enrollment.meters.filter(umid__in=leaving).delete()
    enrollment.ders.filter(der_ref__in=ders).delete()
    ReliedCertificate.objects.filter(enrollment=enrollment, der_id__in=ders, replaced_at=None).update(replaced_at=now)
    places.give_back_some(enrollment.program_version, len(leaving))
    case.meters = [umid for umid in case.meters if umid not in leaving]
    case.ders, case.updated_at = [der for der in case.ders if der not in ders], now
    case.save(update_fields=["meters", "ders", "updated_at"])
    fresh = reissue(enrollment, _narrowed(enrollment, leaving, actor, now), actor, now)
    details = {"removed": sorted(leaving), "removed_ders": sorted(ders), "reason": reason[:60]}
    reference = ending.record(Action.ENROLLMENT_METERS_CHANGED, enrollment, actor, now, details)
    order = orders.of_rows(case, enrollment, transaction_id=transaction_id)
    return MetersChanged(
        with_fresh(order, fresh),
        now,
        reference,
        removed=tuple(leaving),
        is_adding=False,
        superseded=superseded_lines(fresh),
    )


def _narrowed(
    enrollment: Enrollment, leaving: Sequence[str], actor: Actor, now: datetime
) -> dict[Consent, Sequence[str]]:
    """The consents that spoke of the meters that leave, with those that are left to each; one with none is revoked."""
    consents = list(
        Consent.objects.select_for_update(of=("self",))
        .select_related("credential")
        .filter(enrollment=enrollment, state=ConsentState.GRANTED, meters__overlap=list(leaving))
        .order_by("pk")
    )
    left = {consent: [umid for umid in consent.meters if umid not in leaving] for consent in consents}
    over = [consent for consent, umids in left.items() if not umids]
    if over:
        credentials.revoke([c.credential_id for c in over], at=now, reason=LEFT, actor=actor)
        ending.mark_revoked(over, LEFT, actor, now)
        ending.record(
            Action.CONSENT_REVOKED, enrollment, actor, now, {"types": [consent.consent_type for consent in over]}
        )
    return {consent: umids for consent, umids in left.items() if umids}
