"""The init: prove, resolve, decide, and place a hold. One of the writers behind enrollment.services.

Facts are gathered with no transaction open; everything is written in one. Source: onboarding guide 9 and 18.1-18.2,
spec domain 3, decisions 1, 31, 36, 38, 40, 56.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from audit import log
from audit.log import Action, Actor
from credentials import presented
from enrollment import (
    assisting,
    catalog,
    claims,
    conflicts,
    cross_utility,
    documents,
    frozen,
    notices,
    orders,
    own_meters,
    places,
    remembering,
)
from enrollment.admission import refused_at_the_door
from enrollment.claiming import Contest, contest
from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, OrderRef, PrepareEnrollment
from enrollment.dates import agree
from enrollment.devices import with_sources
from enrollment.eligibility import evaluate
from enrollment.facts import Decision, Facts
from enrollment.gathering import Gathered, gather, too_old_to_refuse, unverifiable_hints, with_subject_kind
from enrollment.models import CaseCheck, EnrollmentCase, ProgramVersion
from enrollment.results import (
    AlsoWrite,
    CodeSent,
    Order,
    Prepared,
    Refused,
    Result,
    Stage,
)
from enrollment.states import CaseState
from enrollment.telling import Checked, checks_of, credential_lines, journal_lines, order_of, with_status
from enrollment.waiting import start_waiting, stop_waiting
from identity.inserting import insert_if_new
from identity.models import Subject
from utility_systems import records
from utility_systems.ports import MeterFacts, UtilityUnavailable

#: Longer than any BCP 47 tag in use; what is longer is none.
MAX_LOCALE = 35
#: Who may not speak for a customer does not end what another message of theirs has begun.
CHANGES_NOTHING = frozenset({Code.MANDATE_REQUIRED, Code.EA_NOT_CERTIFIED, Code.ORDER_NOT_FOUND})
#: An init is at work for less; a case changed later than that was changed by a clock that has since been set back.
LONGEST_INIT = timedelta(minutes=2)


def prepare(
    command: PrepareEnrollment,
    *,
    authority: Authority,
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
    is_retry: bool = False,
) -> Result:
    """Check an application and hold its meters, or say why not, or what is missing.

    Never raises for a refusal or a utility that is down; both are answers. Order of the checks: spec domain 3.
    `is_retry`: nobody asked again, a utility did not answer the last time; how often that was is kept. Raises
    Overtaken where somebody did ask again, or withdrew, while a retry was under way; then nothing is written.
    """
    version = catalog.open_version(command.program_id, now, provider_id=command.provider_id)
    authority = assisting.proven(
        command.assisted_by,
        authority,
        action="init",
        program_id=command.program_id,
        utilities=sorted({meter.utility_id for meter in command.meters if meter.utility_id}),
        subject_did=command.subject_did,
        now=now,
    )
    command = assisting.confined(command, authority)
    refusal = refused_at_the_door(command, version, authority, now) or _another_agencys(command)
    if refusal is not None or version is None:
        refusal = refusal or catalog.program_not_available(command.program_id)
        return _refuse_at_the_door(command, refusal, actor, now, also_write, is_retry=is_retry)
    period = agree(
        command.starts_at,
        command.ends_at,
        command.end_as_given,
        default_term_days=version.default_term_days,
        max_term_days=version.max_term_days,
        closes_at=version.closes_at,
        now=now,
    )
    if isinstance(period, Refusal):
        return _refuse_at_the_door(command, period, actor, now, also_write, is_retry=is_retry)
    subject_did = command.subject_did or authority.proven_subject
    own: tuple[MeterFacts, ...] = ()
    try:
        if not command.meters and authority.is_proven:
            own = own_meters.of(authority, version.utilities, now)
            if not own:
                return _refuse_at_the_door(command, _no_meter_known(), actor, now, also_write, is_retry=is_retry)
            if len(own) > 1:
                return _to_be_chosen(command, authority, version, own, actor, now, also_write, is_retry=is_retry)
            command = replace(command, meters=own_meters.refs(own))
        gathered = gather(
            command.meters,
            command.ders,
            command.credentials,
            utilities=version.utilities,
            subject_did=subject_did,
            now=now,
            criteria=version.criteria,
            secondary=version.secondary_utilities,
        )
    except UtilityUnavailable as outage:
        return _wait(command, authority, version, outage, actor, now, also_write, is_retry=is_retry)
    gathered = _with_documents(gathered, command, version)
    gathered = replace(gathered, facts=with_subject_kind(gathered.facts, version.criteria, subject_did))
    decision = evaluate(
        catalog.terms(version),
        gathered.facts,
        command.meters,
        command.ders,
        subject_did=subject_did,
        authority=authority,
        now=now,
        ends_at=period.ends_at,
    )
    stale = too_old_to_refuse(decision, gathered.facts)
    if stale is not None:
        return _wait(command, authority, version, stale, actor, now, also_write, is_retry=is_retry)
    hints: tuple[str, ...] = ()
    if command.existing and decision.refusal is None:
        hints = unverifiable_hints(command.existing, subject_did=subject_did, now=now)
    checked = Checked(command, authority, version, period, gathered, decision, now, hints, own_meters.lines(own))
    return _commit(checked, actor, also_write, is_retry=is_retry)


def _another_agencys(command: PrepareEnrollment) -> Refusal | None:
    """Several agencies may send through one participant: none takes over what another has begun."""
    if command.assisted_by is None:
        return None
    order, agency_id = command.order, command.assisted_by.agency_id
    own = EnrollmentCase.objects.filter(bap_id=order.bap_id, order_id=order.order_id)
    if not own.exclude(agency_id__in=("", agency_id)).exists():
        return None
    return Refusal(Code.ORDER_NOT_FOUND, "There is no such order of this participant.", field="order")


def _no_meter_known() -> Refusal:
    return Refusal(
        Code.NO_METER,
        "Your utility knows no meter of yours that could join this program.",
        field="meters",
        details={"available_meters": []},
    )


def await_code(
    command: PrepareEnrollment, *, authority: Authority, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Result:
    """Keep an application whose customer was sent a one-time code; nothing of it is checked before the code comes.

    The answer is the same whoever's number it was: neither meters nor people are looked at here.
    """
    version = catalog.open_version(command.program_id, now, provider_id=command.provider_id)
    if version is None:
        refusal = catalog.program_not_available(command.program_id)
        return _refuse_at_the_door(command, refusal, actor, now, also_write, is_retry=False)
    with transaction.atomic():
        case = _open_case(command, version, now, is_retry=False)
        if _is_closed(case, now):
            return _answered_as_it_stands(case, command, actor, now, also_write)
        case.subject = None
        case.state = CaseState.SUBMITTED  # NEEDS_INPUT is somebody's, and nobody knows whose this is
        _keep_undecided(case, command, authority, actor, now)
        order = orders.bare(case, transaction_id=command.order.transaction_id)
        result = CodeSent(order, now, catalog.requirements(version))
        also_write(result)
    return result


def _to_be_chosen(
    command: PrepareEnrollment,
    authority: Authority,
    version: ProgramVersion,
    own: tuple[MeterFacts, ...],
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
    *,
    is_retry: bool,
) -> Result:
    """The customer has several meters and named none: they are told, and one is to be chosen (persona P3-2)."""
    with transaction.atomic():
        case = _open_case(command, version, now, is_retry=is_retry)
        if _is_closed(case, now):
            return _answered_as_it_stands(case, command, actor, now, also_write)
        case.subject = Subject.objects.held_for_did(command.subject_did or authority.proven_subject)
        case.state = CaseState.NEEDS_INPUT
        _keep_undecided(case, command, authority, actor, now)
        result = Prepared(
            order=orders.bare(case, transaction_id=command.order.transaction_id),
            checked_at=now,
            requirements=catalog.requirements(version),
            are_conflicts_checked=False,
            available_meters=own_meters.lines(own),
        )
        also_write(result)
    return result


def _keep_undecided(
    case: EnrollmentCase, command: PrepareEnrollment, authority: Authority, actor: Actor, now: datetime
) -> None:
    """Save the locked case with all that came: the check is made when its customer, or the meter, is known."""
    stop_waiting(case)
    claims.drop_holds(case)
    case.payload = remembering.payload(command, authority, (), (), keep_credentials=True)
    case.save()
    log.record(
        Action.CASE_SUBMITTED,
        actor=actor,
        at=now,
        subject=str(case.subject_id or ""),
        object_type="case",
        object_id=str(case.pk),
        after={"state": case.state, "meters": sorted(case.meters), "ders": sorted(case.ders)},
        details={"state": case.state, "program": case.program_id},
    )


def _with_documents(gathered: Gathered, command: PrepareEnrollment, version: ProgramVersion) -> Gathered:
    """The facts with what the uploaded files are worth: those the command names, and one that was refused for good."""
    if not command.documents and not version.documents:
        return gathered
    named = documents.facts_of(command.order, command.documents)
    return replace(gathered, facts=replace(gathered.facts, documents=named))


# --- before anything is asked of anybody -----------------------------------------------------------------------------


def _refuse_at_the_door(
    command: PrepareEnrollment,
    refusal: Refusal,
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
    *,
    is_retry: bool,
) -> Refused:
    """Answered and journalled. No case is opened; an open one is rejected until the next init (decision 38)."""
    order = Order(
        bap_id=command.order.bap_id,
        order_id=command.order.order_id,
        transaction_id=command.order.transaction_id,
        provider_id=command.provider_id,
        program_id=command.program_id,
        fulfillment_id=command.fulfillment_id,
        case_state=CaseState.REJECTED,
    )
    result = Refused(refusal, order, now, Stage.DOOR)
    with transaction.atomic():
        case = _locked_case(command.order)
        _refuse_to_be_late(case, command, is_retry=is_retry)
        is_nobodys = refusal.code in CHANGES_NOTHING and not is_retry
        is_told = not is_nobodys or (case is not None and case.is_frozen)  # what became of it, to who may ask
        if case is not None and is_told and _is_closed(case, now):
            return _answered_as_it_stands(case, command, actor, now, also_write)
        if case is not None and not is_nobodys:
            _reject(case, refusal, now)
        log.record(
            Action.CASE_REFUSED,
            actor=actor,
            at=now,
            object_type="order",
            object_id=command.order.order_id,
            details={"code": refusal.code.value, "program": command.program_id[:200]},
        )
        also_write(result)
    return result


# --- writing what was found ------------------------------------------------------------------------------------------


def _commit(checked: Checked, actor: Actor, also_write: AlsoWrite, *, is_retry: bool) -> Result:
    command, now = checked.command, checked.now
    with transaction.atomic():
        case = _open_case(command, checked.version, now, is_retry=is_retry)
        if _is_closed(case, now):
            return _answered_as_it_stands(case, command, actor, now, also_write)
        stop_waiting(case)
        subject = _subject(checked)
        case.subject = subject
        result = _decided(checked, case, actor)
        case.payload = remembering.payload(
            command,
            checked.authority,
            checked.facts.evidence,
            [v.status_entry for v in checked.gathered.verdicts],
            # After the review the whole check is made again; until then its reviewers see what it stood on.
            keep_credentials=case.state == CaseState.IN_REVIEW,
            stood_on=(checked.facts, checked.period.ends_at, now) if case.state == CaseState.IN_REVIEW else None,
        )
        if isinstance(result, Refused):
            case.refusal_code = result.refusal.code.value
        if case.state == CaseState.REJECTED:
            claims.drop_holds(case)
            case.payload = None
        case.save()
        CaseCheck.objects.bulk_create(checks_of(checked, case, result))
        presented.remember(checked.gathered.presented, checked.gathered.verdicts, now=now)
        log.record_all(journal_lines(checked, case, result, actor))
        if not is_retry:
            notices.about_an_init(case, result, now)
        also_write(result)
    return result


def _open_case(command: PrepareEnrollment, version: ProgramVersion, now: datetime, *, is_retry: bool) -> EnrollmentCase:
    """The order's case, locked: a new one, or the old one with the new application's data (re-init)."""
    order = command.order
    case = _locked_or_new(order, version, now)
    _refuse_to_be_late(case, command, is_retry=is_retry)
    if _is_closed(case, now):
        return case
    case.bap_uri, case.domain, case.profile = order.bap_uri, order.domain, order.profile
    if order.transaction_id and order.transaction_id not in case.transaction_ids:
        case.transaction_ids = [*case.transaction_ids, order.transaction_id][-20:]
    case.channel = command.channel
    case.agency_id = command.assisted_by.agency_id if command.assisted_by else ""
    case.operator_id = command.assisted_by.operator_id if command.assisted_by else ""
    case.mandate_id = command.assisted_by.mandate_id if command.assisted_by else ""
    case.program_version = version
    case.program_id, case.provider_id = version.program.program_id, version.program.provider_id
    case.fulfillment_id, case.batch_id = command.fulfillment_id, command.batch_id
    case.meters, case.ders = [m.umid for m in command.meters], [d.der_id for d in command.ders]
    case.state, case.refusal_code = CaseState.SUBMITTED, ""
    case.deadline, case.updated_at = now + timedelta(days=version.case_days), now
    return case


class Overtaken(Exception):
    """A retry found that its order changed meanwhile: what it was about to write is no longer wanted."""


def _is_closed(case: EnrollmentCase, now: datetime) -> bool:
    """Is the locked case closed to an init that began at `now`: confirmed, stopped, or changed by a later message?"""
    return case.state == CaseState.CONFIRMED or case.is_frozen or now < case.updated_at <= now + LONGEST_INIT


def _answered_as_it_stands(
    case: EnrollmentCase, command: PrepareEnrollment, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Refused:
    if case.state == CaseState.CONFIRMED:
        return _already_confirmed(case, command, actor, now, also_write)
    if case.is_frozen:
        return _refused_unchanged(case, frozen.refusal(), orders.bare(case), actor, now, also_write)
    refusal = Refusal(
        Code.NOT_POSSIBLE_NOW,
        f"A later message about this order was handled first, and the order is {case.state}: that one counts.",
        field="order",
        details={"state": case.state},
    )
    return _refused_unchanged(case, refusal, orders.bare(case), actor, now, also_write)


def _refuse_to_be_late(case: EnrollmentCase | None, command: PrepareEnrollment, *, is_retry: bool) -> None:
    """Raise Overtaken where a retry's command is not what the locked case waits with any more."""
    if not is_retry:
        return
    if case is None or case.waiting_act != "init" or case.payload is None:
        raise Overtaken
    waiting = remembering.init_command(case.payload)
    if not waiting.meters:  # the one meter it has was found on the way
        waiting = replace(waiting, meters=command.meters)
    if waiting != command:
        raise Overtaken


def _locked_case(order: OrderRef) -> EnrollmentCase | None:
    return (
        EnrollmentCase.objects.select_for_update(of=("self",))
        .select_related("subject")
        .filter(bap_id=order.bap_id, order_id=order.order_id)
        .first()
    )


def _locked_or_new(order: OrderRef, version: ProgramVersion, now: datetime) -> EnrollmentCase:
    """The order's case, locked. Of two first inits that come at once, the second waits here and finds the first's."""
    row = EnrollmentCase(
        bap_id=order.bap_id,
        order_id=order.order_id,
        state=CaseState.SUBMITTED,
        created_at=now,
        updated_at=now,
        deadline=now + timedelta(days=version.case_days),
    )
    if insert_if_new(row, unique=("bap_id", "order_id")):
        return row  # nobody else can see it before we commit
    case = _locked_case(order)
    assert case is not None
    return case


def _reject(case: EnrollmentCase, refusal: Refusal, now: datetime) -> None:
    """End the locked, unconfirmed case until a new init: its hold and what was kept of the application go."""
    case.state, case.refusal_code, case.updated_at, case.payload = CaseState.REJECTED, refusal.code.value, now, None
    stop_waiting(case)
    case.save()
    claims.drop_holds(case)


def _already_confirmed(
    case: EnrollmentCase, command: PrepareEnrollment, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Refused:
    """A new init on a confirmed order: the enrolment it became, and nothing changes (decision 45)."""
    order = orders.of_case(case)
    assert order.enrollment is not None
    is_theirs = case.subject is not None and command.subject_did in ("", case.subject.did)
    refusal = Refusal(
        Code.DUPLICATE,
        "This order is already enrolled. Use update to change it.",
        field="order",
        details={"enrollment_id": order.enrollment.enrollment_id} if is_theirs else {},
    )
    return _refused_unchanged(case, refusal, order, actor, now, also_write)


def _refused_unchanged(
    case: EnrollmentCase, refusal: Refusal, order: Order, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Refused:
    """Answer and journal a refusal that leaves the locked case as it is."""
    result = Refused(refusal, order, now, Stage.DOOR)
    log.record(
        Action.CASE_REFUSED,
        actor=actor,
        at=now,
        subject=str(case.subject_id or ""),
        object_type="case",
        object_id=str(case.pk),
        details={"code": refusal.code.value},
    )
    also_write(result)
    return result


def _subject(checked: Checked) -> Subject:
    """The subject's row; name and contact are kept only where the application proved whose they are."""
    command = checked.command
    subject = Subject.objects.held_for_did(command.subject_did or checked.authority.proven_subject)
    if checked.decision.refusal is None and (checked.authority.is_proven or checked.shows_ownership):
        contact = {k: v for k, v in command.person.items() if k in ("name", "email", "phone")}
        subject.remember_contact(**contact, locale=command.locale if len(command.locale) <= MAX_LOCALE else "")
    return subject


def _decided(checked: Checked, case: EnrollmentCase, actor: Actor) -> Prepared | Refused:
    """The rules' decision and, where they let it pass, conflicts and places: sets the case's state, places the hold."""
    decision, now = checked.decision, checked.now
    credentials = credential_lines(checked)
    if decision.refusal is not None:
        case.state = CaseState.REJECTED
        stage = Stage.PROOFS if decision.is_refused_by_proofs else Stage.RULES
        asked = documents.ask(case, checked.version, decision.documents_for, actor, now)
        order = order_of(checked, case)
        return Refused(decision.refusal, order, now, stage, credentials, decision.findings, documents=asked)
    subject = case.subject
    assert subject is not None
    records.remember(
        [checked.facts.meters[umid] for umid in decision.enrolled],
        with_sources(checked.command.ders, checked.facts),
        subject=subject,
        source=_source(decision),
        now=now,
    )
    seen = _contest(checked, case)
    if seen.is_stopped or not places.are_left(checked.version, len(seen.free)):
        case.state = CaseState.REJECTED
        return Refused(
            conflicts.refusal(seen.found) if seen.is_stopped else places.none_left(),
            order_of(checked, case),
            now,
            Stage.CONFLICTS,
            credentials,
            decision.findings,
            seen.found,
        )
    case.state = _state(decision)
    if case.state == CaseState.READY:
        period, until = checked.period, now + timedelta(minutes=checked.version.hold_minutes)
        claims.hold(seen.to_be_held, case, period.starts_at, period.ends_at, until)
    return Prepared(
        order=order_of(checked, case, blocked=seen.found),
        checked_at=now,
        credentials=credentials,
        conflicts=seen.found,
        findings=decision.findings,
        missing=decision.missing,
        warnings=(*decision.warnings, *checked.hints),
        requirements=with_status(catalog.requirements(checked.version), checked, seen.free),
        cross_utility=cross_utility.lines(checked.version, checked.authority, checked.facts),
        are_conflicts_checked=checked.shows_ownership,
        documents=documents.lines_of(case, checked.command.documents) if checked.command.documents else (),
        reviews=decision.reviews,
        questions=decision.questions,
        available_meters=checked.own_meters,
    )


def _state(decision: Decision) -> CaseState:
    """What the case waits for: the applicant, two reviewers, or the confirm."""
    if decision.missing or decision.questions:
        return CaseState.NEEDS_INPUT
    return CaseState.IN_REVIEW if decision.reviews else CaseState.READY


def _contest(checked: Checked, case: EnrollmentCase) -> Contest:
    if not checked.shows_ownership:
        claims.drop_holds(case)
        # Who is enrolled with a meter is told to nobody who has not shown that it is theirs.
        return Contest((), checked.decision.enrolled, (), is_stopped=False)
    utility_id = next(iter(checked.facts.meters.values())).utility_id
    return contest(
        case,
        checked.version,
        checked.decision.enrolled,
        [d.der_id for d in checked.command.ders],
        checked.period,
        utility_id=utility_id,
        now=checked.now,
    )


def _source(decision: Decision) -> str:
    return "VC" if decision.sources.get("MeterOwnershipCredential") == "CREDENTIAL" else "UTILITY_API"


# --- a utility that does not answer ----------------------------------------------------------------------------------


def _wait(
    command: PrepareEnrollment,
    authority: Authority,
    version: ProgramVersion,
    outage: UtilityUnavailable,
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
    *,
    is_retry: bool,
) -> Result:
    with transaction.atomic():
        case = _open_case(command, version, now, is_retry=is_retry)
        if _is_closed(case, now):
            return _answered_as_it_stands(case, command, actor, now, also_write)
        if not is_retry:
            stop_waiting(case)
        case.subject = Subject.objects.held_for_did(command.subject_did or authority.proven_subject)
        case.payload = remembering.payload(command, authority, (), (), keep_credentials=True)
        result = start_waiting(case, "init", outage, actor, now)
        told = cross_utility.lines(version, authority, Facts({}, {}, ()), silent=outage.utility_id)
        result = replace(result, cross_utility=told)
        notices.about_an_init(case, result, now)
        also_write(result)
    return result
