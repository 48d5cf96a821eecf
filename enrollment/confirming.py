"""The confirm: check again, claim, record the consents, issue the credentials; all in one transaction.

One of the writers behind enrollment.services. Source: onboarding guide 9 and 18.3-18.4, spec domain 3,
decisions 6, 7, 31, 34, 35, 38, 40, 44, 49, 52.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from audit import log
from audit.log import Action, Actor
from credentials import verification
from enrollment import (
    assisting,
    catalog,
    claims,
    conflicts,
    documents,
    frozen,
    late_choice,
    orders,
    places,
    remembering,
)
from enrollment.admission import (
    auth_required,
    authority_refusal,
    may_speak,
    refused_agency,
    subject_mismatch,
    utilities_at_stake,
)
from enrollment.claiming import Contest, contest
from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, ConfirmEnrollment, OrderRef, PrepareEnrollment
from enrollment.consents import RecordedConsent, agreed_consents
from enrollment.dates import Period, agree
from enrollment.devices import ends_with_certificate, with_sources
from enrollment.eligibility import evaluate
from enrollment.enrolling import Checked, Rows, enrol
from enrollment.facts import METER_OWNERSHIP, Decision, Evidence, Facts, credential_refusal, meter_not_found
from enrollment.gathering import (
    ask_utilities,
    issuer_unavailable,
    too_old_to_refuse,
    with_subject_kind,
)
from enrollment.models import EnrollmentCase, ProgramVersion
from enrollment.results import AlsoWrite, Confirmed, Order, Refused, Result, Stage, Waiting
from enrollment.states import CaseState
from enrollment.vouching import vouched
from enrollment.waiting import start_waiting, stop_waiting
from identity import mandates
from identity.models import Subject
from utility_systems import records
from utility_systems.ports import UtilityUnavailable

#: Orders of one id that are looked through for the one of a customer who proved who they are.
MOST_OF_ONE_NAME = 50


def confirm(
    command: ConfirmEnrollment, *, authority: Authority, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Result:
    """Enrol the chosen meters and issue the credentials, or say why not.

    Asks the utilities again with no transaction open; then decides; then writes everything at once. A refusal is
    returned, not raised, so that its journal line survives. The second confirm of an order answers the first's
    enrolment. Source: onboarding guide 9 and 18.3.
    """
    case = find_case(command.order)
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    if case.state == CaseState.CONFIRMED:
        return _confirmed_before(case, command, actor, now, also_write)
    authority = assisting.of_case(case, command.assisted_by, authority, action="confirm", now=now)
    not_theirs = _refused_for_its_agency(case, command, authority, now)
    if not_theirs is not None:
        return _refuse(case, not_theirs, actor, now, also_write)
    if late_choice.is_open(case, command, authority):
        try:
            settled = late_choice.settle(
                case, command, authority, actor, now, also_write, is_the_subject=is_the_subject
            )
        except UtilityUnavailable as outage:
            return _refuse(case, outage_refusal(outage), actor, now, also_write)
        if isinstance(settled, Refusal):
            return _refuse(case, settled, actor, now, also_write)
        if settled is not None:
            return settled
        case = find_case(command.order)
        assert case is not None
    refusal, ready = _readied(case, command, authority, now)
    if refusal is not None or ready is None:
        assert refusal is not None
        return _refuse(case, refusal, actor, now, also_write)
    try:
        checked = _gathered(case, ready, command, authority, now)
    except UtilityUnavailable as outage:
        return _wait(case, command, authority, outage, actor, now, also_write)
    if isinstance(checked, Refusal):
        return _refuse(case, checked, actor, now, also_write)
    if checked.decision.refusal is not None:
        return _refuse(case, checked.decision.refusal, actor, now, also_write)
    return _commit(case, checked, actor, also_write, mandate_id=authority.mandate_id)


def outage_refusal(outage: UtilityUnavailable) -> Refusal:
    """Nothing was decided and nothing is lost: the same message may come again."""
    return Refusal(
        Code.UTILITY_UNAVAILABLE,
        "The utility does not answer at the moment. Please try again.",
        field="user_auth",
        details={"retry_after": int(outage.retry_after_seconds)},
    )


def find_case(order: OrderRef) -> EnrollmentCase | None:
    """The case of this BAP's order, or of a customer who proved to be its subject (decision 10).

    Who only kept the enrolment's id finds it by that (decision 9).
    """
    cases = EnrollmentCase.objects.select_related("subject")
    own, by_enrollment = cases.filter(bap_id=order.bap_id), Q(enrollment__enrollment_id=order.order_id)
    if order.agency_id:  # several agencies may send through one participant
        own = own.filter(agency_id__in=("", order.agency_id))
    found = own.filter(order_id=order.order_id).first() or own.filter(by_enrollment).first()
    if found is None and order.proven_subject:
        named = cases.filter(Q(order_id=order.order_id) | by_enrollment, subject__isnull=False)[:MOST_OF_ONE_NAME]
        theirs = [case for case in vouched(named, order.proven_at) if is_the_subject(case, order.proven_subject)]
        found = theirs[0] if len(theirs) == 1 else None  # an order id is unique at one BAP only
    return _with_version(found) if found is not None else None


def _with_version(case: EnrollmentCase) -> EnrollmentCase:
    """The case with its version from this process's memory: it is the largest row there is, and never changes."""
    if case.program_version_id is not None:
        case.program_version = catalog.kept_version(case.program_version_id)
    return case


# --- what can be said before anybody is asked ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ready:
    init: PrepareEnrollment
    version: ProgramVersion
    period: Period
    umids: tuple[str, ...]
    consents: tuple[RecordedConsent, ...]
    evidence: tuple[Evidence, ...]
    status_entries: tuple[Mapping[str, Any] | None, ...]


def _readied(
    case: EnrollmentCase, command: ConfirmEnrollment, authority: Authority, now: datetime
) -> tuple[Refusal | None, _Ready | None]:
    if case.is_frozen:
        return frozen.refusal(), None
    if case.state != CaseState.READY or case.payload is None:
        return not_possible_now(case), None
    version = case.program_version
    assert version is not None
    if authority.refusal_code:
        return authority_refusal(authority), None
    if not all(is_the_subject(case, did) for did in (authority.proven_subject, command.subject_did) if did):
        return subject_mismatch(), None
    if catalog.open_version(case.program_id, now) is None:
        return catalog.program_not_available(case.program_id), None
    init = remembering.init_command(case.payload)
    utilities = utilities_at_stake(init.meters, version.utilities, authority)
    # A customer's own proof stays good; the sender's right to speak for them may have been withdrawn since the init.
    is_proven = authority.is_proven or remembering.authority(case.payload).is_proven
    if not is_proven and not may_speak(authority, utilities):
        return auth_required(), None
    umids, refusal = _chosen_meters(case, command)
    if refusal is not None:
        return refusal, None
    period = agree(
        command.starts_at or init.starts_at,
        command.ends_at or init.ends_at,
        command.end_as_given or init.end_as_given,
        default_term_days=version.default_term_days,
        max_term_days=version.max_term_days,
        closes_at=version.closes_at,
        now=now,
    )
    if isinstance(period, Refusal):
        return period, None
    # Who only has a mandate does not agree to anything in the customer's place.
    consents = agreed_consents(
        version, command.consents, umids, case.ders, now=now, by_confirming=not authority.mandate_id
    )
    if isinstance(consents, Refusal):
        return consents, None
    kept = case.payload
    return None, _Ready(
        init, version, period, umids, consents, remembering.evidence(kept), tuple(kept["status_entries"])
    )


def _refused_for_its_agency(
    case: EnrollmentCase, command: ConfirmEnrollment, authority: Authority, now: datetime
) -> Refusal | None:
    """EA_NOT_CERTIFIED, then MANDATE_REQUIRED: before anything of the order is told or changed."""
    offered = case.program_version.utilities if case.program_version is not None else ()
    meters = remembering.init_command(case.payload).meters if case.payload is not None else ()
    utilities = utilities_at_stake(meters, offered, authority) if meters or authority.mandate_id else ()
    agency = refused_agency(command.assisted_by, authority.participant_id, utilities, case.program_id, now)
    if agency is None and authority.refusal_code == Code.MANDATE_REQUIRED:
        return authority_refusal(authority)
    return agency


def is_the_subject(case: EnrollmentCase, did: str) -> bool:
    """Is this DID whose order it is? A merged person has several."""
    assert case.subject is not None
    if did == case.subject.did:
        return True
    return Subject.objects.filter(did=did, merged_into_id=case.subject_id).exists()


def not_possible_now(case: EnrollmentCase) -> Refusal:
    remedy = {
        CaseState.NEEDS_INPUT: "Send what on_init asked for with a new init first",
        CaseState.IN_REVIEW: "A document is being checked; wait for on_status",
        CaseState.SUBMITTED: "Its checks are still running; wait for on_status",
    }.get(CaseState(case.state), "Send a new init")
    return Refusal(
        Code.NOT_POSSIBLE_NOW,
        f"The order is {case.state} and cannot be confirmed now. {remedy}.",
        field="order",
        details={"state": case.state},
    )


def _chosen_meters(case: EnrollmentCase, command: ConfirmEnrollment) -> tuple[tuple[str, ...], Refusal | None]:
    umids = tuple(dict.fromkeys(command.meters)) if command.meters is not None else tuple(case.meters)
    if not umids:
        details = {"available_meters": list(case.meters)}
        return (), Refusal(Code.NO_METER, "Select at least one meter.", field="meters", details=details)
    unknown = next((umid for umid in umids if umid not in case.meters), None)
    return umids, meter_not_found(unknown) if unknown else None


def _gathered(
    case: EnrollmentCase, ready: _Ready, command: ConfirmEnrollment, authority: Authority, now: datetime
) -> Checked | Refusal:
    """Ask again what may have changed since the init: credential status, meters, DERs; then the rules."""
    rechecks = verification.recheck_status(ready.status_entries, now=now)
    silent = [entry for entry, again in zip(ready.status_entries, rechecks, strict=True) if again.retryable]
    if silent and all(again.ok or again.retryable for again in rechecks):
        raise issuer_unavailable(silent[0]["issuer"] if silent[0] else "")
    evidence = tuple(replace(e, reason=again.reason) for e, again in zip(ready.evidence, rechecks, strict=True))
    failed = next((e for e in evidence if not e.is_verified), None)
    if failed is not None:
        return credential_refusal(failed)
    assert case.payload is not None and case.subject is not None
    meters = remembering.meters(case.payload, ready.umids)
    version = ready.version
    facts = ask_utilities(
        meters,
        ready.init.ders,
        evidence,
        utilities=version.utilities,
        now=now,
        criteria=version.criteria,
        secondary=version.secondary_utilities,
    )
    facts = replace(facts, documents=documents.facts_of(ready.init.order, ready.init.documents))
    # What was proven at init stays proven: the subject's own sign-in need not be repeated (spec domain 3).
    proof = authority if authority.is_proven else remembering.authority(case.payload)
    decision = _evaluate_chosen(case, ready, facts, proof, now)
    stale = too_old_to_refuse(decision, facts)
    if stale is not None:
        raise stale
    if decision.refusal is None and decision.missing:
        return not_possible_now(case)
    if decision.refusal is None and decision.reviews:
        return not_possible_now(case)
    period = _until_certified(ready.period, decision, version)
    return Checked(
        command, ready.init, ready.version, period, ready.consents, facts, decision, now, ready.status_entries
    )


def _until_certified(period: Period, decision: Decision, version: ProgramVersion) -> Period:
    """The period, cut where the program ends an enrolment with the device's certificate (R-P6.9)."""
    until = decision.certified_until
    if until is None or not ends_with_certificate(version.criteria):
        return period
    return (
        period
        if period.ends_at is not None and period.ends_at <= until
        else replace(period, ends_at=until, end_as_given="")
    )


def _evaluate_chosen(case: EnrollmentCase, ready: _Ready, facts: Facts, proof: Authority, now: datetime) -> Decision:
    """The rules for the chosen meters: evidence about others of the init is left aside, not held against them."""
    assert case.payload is not None and case.subject is not None
    chosen = set(ready.umids)
    evidence = tuple(e for e in facts.evidence if e.type != METER_OWNERSHIP or e.claims.get("meterId") in chosen)
    # As whom the utility and the credentials know them: a merged person's living record may have another DID.
    known_as = ready.init.subject_did or remembering.authority(case.payload).proven_subject or case.subject.did
    return evaluate(
        catalog.terms(ready.version),
        with_subject_kind(replace(facts, evidence=evidence), ready.version.criteria, known_as or ""),
        remembering.meters(case.payload, ready.umids),
        ready.init.ders,
        subject_did=known_as or "",
        authority=proof,
        now=now,
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def _commit(
    case: EnrollmentCase, checked: Checked, actor: Actor, also_write: AlsoWrite, *, mandate_id: str = ""
) -> Result:
    now, version = checked.now, checked.version
    try:
        with transaction.atomic():
            read, case = case, _locked(case)
            if case.state != CaseState.READY or _is_another_application(read, case):
                return _overtaken(case, checked, actor, also_write)
            if mandate_id and not mandates.is_active(mandate_id):
                # Taken back while the utility was asked: whoever did so and we take turns, and one of us is second.
                return _write_refusal(case, assisting.taken_back("confirm"), actor, now, also_write)
            rows = _remembered(case, checked)
            seen = _contest(case, checked)
            if seen.is_stopped:
                return _write_refusal(case, conflicts.refusal(seen.found), actor, now, also_write, seen.found)
            if not places.take(version, len(seen.free)):
                return _write_refusal(case, places.none_left(), actor, now, also_write)
            result = enrol(case, checked, seen.free, seen.found, rows, actor)
            also_write(result)
            return result
    except IntegrityError as error:
        # Every writer takes the locks first, so this is a claim that came another way (an operator's, a restore).
        if "a_resource_is_claimed_once" not in str(error):
            raise
        return _refuse(case, _taken_meanwhile(checked), actor, now, also_write)


def _locked(case: EnrollmentCase) -> EnrollmentCase:
    locked = EnrollmentCase.objects.select_for_update(of=("self",)).select_related("subject").get(pk=case.pk)
    return _with_version(locked)


def _is_another_application(read: EnrollmentCase, case: EnrollmentCase) -> bool:
    """Has a new init replaced what this confirm was checked against meanwhile, or has its customer stopped it?"""
    assert read.payload is not None
    if case.is_frozen:
        return True
    return case.payload is None or case.payload["init"] != read.payload["init"]


def _remembered(case: EnrollmentCase, checked: Checked) -> Rows:
    """The meters' and DERs' rows as the utilities describe them; locked before the resources, as everywhere."""
    assert case.subject is not None
    return records.remember(
        [checked.facts.meters[umid] for umid in checked.decision.enrolled],
        with_sources(checked.init.ders, checked.facts),
        subject=case.subject,
        source="UTILITY_API",
        now=checked.now,
    )


def _overtaken(case: EnrollmentCase, checked: Checked, actor: Actor, also_write: AlsoWrite) -> Result:
    """Another message of the same order was faster: a confirm (same answer), or something that closed the case."""
    if case.state == CaseState.CONFIRMED:
        result = Confirmed(orders.of_case(case, transaction_id=checked.command.order.transaction_id), checked.now)
        also_write(result)
        return result
    return _write_refusal(case, _not_possible_any_more(case), actor, checked.now, also_write)


def _not_possible_any_more(case: EnrollmentCase) -> Refusal:
    refusal = not_possible_now(case)
    if case.is_frozen:
        return frozen.refusal()
    if case.state != CaseState.READY:
        return refusal
    sentence = "A new init changed the application while it was confirmed. Look at its answer, then send confirm."
    return replace(refusal, sentence=sentence)


def _contest(case: EnrollmentCase, checked: Checked) -> Contest:
    utility_id = next(iter(checked.facts.meters.values())).utility_id
    return contest(
        case,
        checked.version,
        checked.decision.enrolled,
        [d.der_id for d in checked.init.ders],
        checked.period,
        utility_id=utility_id,
        now=checked.now,
    )


def _taken_meanwhile(checked: Checked) -> Refusal:
    umid = checked.decision.enrolled[0]
    return conflicts.refusal([conflicts.Conflict(conflicts.Rule.R1, umid, "METER", "It was enrolled a moment ago")])


# --- refusing and waiting --------------------------------------------------------------------------------------------


def refuse_unknown(bap_id: str, order_id: str, actor: Actor, now: datetime, also_write: AlsoWrite) -> Refused:
    """ORDER_NOT_FOUND: the order is unknown, or somebody else's; the answer must not tell which (decision 10)."""
    refusal = Refusal(Code.ORDER_NOT_FOUND, "There is no such order of this participant.", field="order")
    result = Refused(refusal, Order(bap_id, order_id, "", "", ""), now, Stage.DOOR)
    with transaction.atomic():
        log.record(
            Action.ENROLLMENT_REFUSED,
            actor=actor,
            at=now,
            object_type="order",
            object_id=order_id,
            details={"code": refusal.code.value},
        )
        also_write(result)
    return result


def _confirmed_before(
    case: EnrollmentCase, command: ConfirmEnrollment, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Result:
    if command.subject_did and not is_the_subject(case, command.subject_did):
        with transaction.atomic():
            return _write_refusal(_locked(case), subject_mismatch(), actor, now, also_write)
    with transaction.atomic():
        result = Confirmed(orders.of_case(case, transaction_id=command.order.transaction_id), now)
        also_write(result)
    return result


def _refuse(case: EnrollmentCase, refusal: Refusal, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    with transaction.atomic():
        read, case = case, _locked(case)
        if read.payload is not None and case.state == CaseState.READY and _is_another_application(read, case):
            refusal = _not_possible_any_more(case)  # what was found out is not held against the new application
        return _refuse_locked(case, refusal, actor, now, also_write)


def _refuse_locked(
    case: EnrollmentCase, refusal: Refusal, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Result:
    if case.state == CaseState.CONFIRMED:
        # A twin of this confirm won while we were asking: what it enrolled is the answer.
        result = Confirmed(orders.of_case(case), now)
        also_write(result)
        return result
    return _write_refusal(case, refusal, actor, now, also_write)


def _write_refusal(
    case: EnrollmentCase,
    refusal: Refusal,
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
    found: tuple[conflicts.Conflict, ...] = (),
) -> Refused:
    """Journal and answer a refusal on the locked case; a final one ends it (decision 38)."""
    if refusal.ends_a_confirm and case.state == CaseState.READY:
        case.state, case.refusal_code, case.updated_at, case.payload = CaseState.REJECTED, refusal.code.value, now, None
        stop_waiting(case)
        case.save()
        claims.drop_holds(case)
    log.record(
        Action.ENROLLMENT_REFUSED,
        actor=actor,
        at=now,
        subject=str(case.subject_id or ""),
        object_type="case",
        object_id=str(case.pk),
        details={"code": refusal.code.value, "state": case.state},
    )
    stage = Stage.CONFLICTS if found else Stage.RULES
    result = Refused(refusal, orders.of_case(case), now, stage, conflicts=found)
    also_write(result)
    return result


def _wait(
    case: EnrollmentCase,
    command: ConfirmEnrollment,
    authority: Authority,
    outage: UtilityUnavailable,
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
) -> Result:
    with transaction.atomic():
        read, case = case, _locked(case)
        if case.state != CaseState.READY or case.payload is None or _is_another_application(read, case):
            return _refuse_locked(case, _not_possible_any_more(case), actor, now, also_write)
        case.payload = remembering.with_confirm(case.payload, command, authority)
        result: Waiting = start_waiting(case, "confirm", outage, actor, now)
        also_write(result)
    return result
