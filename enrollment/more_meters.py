"""An update ADD_METER: meters that join a live enrolment, checked like at init and confirm (R-P2.5).

The same rules, the same locks and claims as a confirm; the enrolment keeps its program version, period and number, and
gets a new credential. Meters that cannot join are named and the others join, unless the program takes all or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from audit.log import Action, Actor
from credentials import presented
from enrollment import catalog, claims, conflicts, ending, frozen, notices, orders, places, told
from enrollment.admission import auth_required, authority_refusal, may_speak, subject_mismatch
from enrollment.claiming import contest, wanted_of
from enrollment.codes import Code, Refusal
from enrollment.commands import AddMeters, Authority, ConsentGrant, MeterRef
from enrollment.confirming import find_case, is_the_subject, outage_refusal, refuse_unknown
from enrollment.consents import ALL_MY_METERS, Key, agreed_consents
from enrollment.criteria import is_asked_of_meters
from enrollment.dates import Period
from enrollment.eligibility import evaluate
from enrollment.facts import METER_OWNERSHIP, Decision, Facts, MissingCredential
from enrollment.gathering import Gathered, gather, too_old_to_refuse, utilities_asked, with_subject_kind
from enrollment.models import Consent, Enrollment, EnrollmentCase, EnrollmentMeter
from enrollment.reissuing import reissue, superseded_lines, with_fresh
from enrollment.results import AlsoWrite, MeterLine, MetersChanged, MeterState, Result
from enrollment.states import LIVE_ENROLLMENT_STATES, ConsentState, EnrollmentState
from utility_systems import records
from utility_systems.ports import UtilityUnavailable


def add_meters(
    command: AddMeters, *, authority: Authority, actor: Actor, now: datetime, also_write: AlsoWrite
) -> Result:
    """Enrol more meters in the program, or say why not. What is enrolled already is left as it is.

    Asks the utilities with no transaction open. A utility that does not answer is answered with `retryAfter`: the
    enrolment goes on as it was, and the same message may come again.
    """
    case = find_case(command.order)
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    also_write = ending.telling_the_bap_of_record(case, command.order, also_write)
    enrollment = Enrollment.objects.select_related("subject", "program_version__program").filter(case=case).first()
    refusal = _cannot_grow(case, enrollment, now) or _not_allowed(case, enrollment, command, authority)
    asked: list[MeterRef] = []
    seen: _Seen | None = None
    if enrollment is not None and refusal is None:
        there = set(enrollment.meters.values_list("umid", flat=True))
        asked = [ref for ref in command.meters if ref.umid not in there]
        if asked:
            found = _judged(enrollment, command, asked, authority, now)
            refusal, seen = (found, None) if isinstance(found, Refusal) else (None, found)
    with transaction.atomic():
        case, enrollment = ending.locked_enrollment(case)
        refusal = refusal or _cannot_grow(case, enrollment, now)
        if refusal is None and enrollment is not None:
            done = _written(case, enrollment, command, seen, actor, now)
            if not isinstance(done, Refusal):
                also_write(done)
                return done
            refusal = done
        assert refusal is not None
        return ending.refused(case, refusal, actor, now, also_write, command.order.transaction_id)


# --- before anybody is asked -----------------------------------------------------------------------------------------


def _cannot_grow(case: EnrollmentCase, enrollment: Enrollment | None, now: datetime) -> Refusal | None:
    state = enrollment.state if enrollment is not None else case.state
    sentence = ""
    if case.is_frozen:
        return frozen.refusal()
    if enrollment is None or state not in LIVE_ENROLLMENT_STATES:
        sentence = "There is no live enrolment that a meter could join."
    elif state == EnrollmentState.SUSPENDED:
        sentence = "The enrolment is suspended: meters can join once it goes on."
    elif enrollment.end_scheduled_for is not None:
        sentence = "The enrolment is about to end: take the planned end back first."
    elif catalog.open_version(enrollment.program_version.program.program_id, now) is None:
        return catalog.program_not_available(enrollment.program_version.program.program_id)
    return Refusal(Code.NOT_POSSIBLE_NOW, sentence, field="order", details={"state": state}) if sentence else None


def _not_allowed(
    case: EnrollmentCase, enrollment: Enrollment | None, command: AddMeters, authority: Authority
) -> Refusal | None:
    """What can be said of the sender and the message alone (decision 56)."""
    assert enrollment is not None
    if not command.meters:
        return Refusal(Code.NO_METER, "Name at least one meter.", field="meters")
    if authority.refusal_code:
        return authority_refusal(authority)
    if authority.is_proven and not is_the_subject(case, authority.proven_subject):
        return subject_mismatch()
    utilities = utilities_asked(command.meters, enrollment.program_version.utilities)
    return None if authority.is_proven or may_speak(authority, utilities) else auth_required()


# --- what the utilities and the rules say ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    facts: Facts
    decision: Decision
    gathered: Gathered
    source: str


def _judged(
    enrollment: Enrollment, command: AddMeters, asked: Sequence[MeterRef], authority: Authority, now: datetime
) -> _Seen | Refusal:
    """The decision about these meters, by the rules of init. Devices stay with the meters they came with."""
    version = enrollment.program_version
    known_as = authority.proven_subject or enrollment.subject.did or ""
    try:
        gathered = gather(
            asked,
            (),
            command.credentials,
            utilities=version.utilities,
            subject_did=known_as,
            now=now,
            criteria=version.criteria,
        )
    except UtilityUnavailable as outage:
        return outage_refusal(outage)
    terms = catalog.terms(version)
    # Whether somebody may be in the program, and with which devices, was shown at the confirm; what is new is meters.
    terms = replace(terms, criteria=tuple(c for c in terms.criteria if is_asked_of_meters(c)), required_credentials=())
    decision = evaluate(
        terms,
        with_subject_kind(gathered.facts, version.criteria, known_as),
        asked,
        (),
        subject_did=known_as,
        authority=authority,
        now=now,
    )
    stale = too_old_to_refuse(decision, gathered.facts)
    if stale is not None:
        return outage_refusal(stale)
    if decision.refusal is not None:
        return decision.refusal
    if decision.missing:
        return _not_shown(decision.missing)
    source = "VC" if decision.sources.get(METER_OWNERSHIP) == "CREDENTIAL" else "UTILITY_API"
    return _Seen(gathered.facts, decision, gathered, source)


def _not_shown(missing: Sequence[MissingCredential]) -> Refusal:
    return Refusal(
        Code.NOT_POSSIBLE_NOW,
        "It was not shown whose these meters are: send the customer's sign-in in userAuth, or ownership credentials.",
        field="meters",
        details={"missing": [{"type": each.type, "meter_id": each.target} for each in missing]},
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def _written(
    case: EnrollmentCase, enrollment: Enrollment, command: AddMeters, seen: _Seen | None, actor: Actor, now: datetime
) -> MetersChanged | Refusal:
    """Claim what is free, write it and issue anew. A refusal has changed nothing. Caller's transaction."""
    transaction_id = command.order.transaction_id
    if case.is_frozen:
        return frozen.refusal()
    there = set(enrollment.meters.values_list("umid", flat=True))
    # Another message of the same customer may have added some of them a moment ago.
    wanted = [umid for umid in seen.decision.enrolled if umid not in there] if seen is not None else []
    if seen is None or not wanted:
        order = orders.of_rows(case, enrollment, transaction_id=transaction_id)
        return MetersChanged(order, now, enrollment.log_reference)
    version, period = enrollment.program_version, _rest_of(enrollment, now)
    utility_id = seen.facts.meters[wanted[0]].utility_id
    # Rows before resources, as everywhere: two of our acts wait for each other and never deadlock.
    meters, _ = records.remember(
        [seen.facts.meters[umid] for umid in wanted], (), subject=enrollment.subject, source=seen.source, now=now
    )
    contested = contest(case, version, wanted, (), period, utility_id=utility_id, now=now)
    if contested.is_stopped:
        return conflicts.refusal(contested.found)
    free = contested.free
    consents = _extended(enrollment, command.consents, free, now)
    if isinstance(consents, Refusal):
        return consents
    if not places.take(version, len(free)):
        return places.none_left()
    EnrollmentMeter.objects.bulk_create(
        EnrollmentMeter(enrollment=enrollment, meter=meters[umid], umid=umid) for umid in free
    )
    claims.claim(wanted_of(version, free, ()), enrollment, case, period.starts_at, period.ends_at)
    case.meters, case.updated_at = list(dict.fromkeys([*case.meters, *free])), now
    case.save(update_fields=["meters", "updated_at"])
    fresh = reissue(enrollment, consents, actor, now)
    presented.remember(seen.gathered.presented, seen.gathered.verdicts, now=now)
    refused = _refused_lines(seen.decision, contested.found)
    reference = ending.record(
        Action.ENROLLMENT_METERS_CHANGED,
        enrollment,
        actor,
        now,
        {"added": sorted(free), "refused_meters": len(refused), "consents": [c.consent_type for c in consents]},
    )
    told.note_meters_changed(enrollment, period.starts_at, now, joined=free)
    notices.tell_enrolled(enrollment, "enrollment-meters-added", now)
    order = orders.of_rows(case, enrollment, transaction_id=transaction_id)
    return MetersChanged(
        with_fresh(order, fresh),
        now,
        reference,
        added=tuple(free),
        superseded=superseded_lines(fresh),
        refused=refused,
        conflicts=contested.found,
    )


def _rest_of(enrollment: Enrollment, now: datetime) -> Period:
    """From now, or the start that is to come, to the enrolment's end."""
    return Period(max(enrollment.period.lower, now), enrollment.period.upper, enrollment.end_as_given)


def _refused_lines(decision: Decision, found: Sequence[conflicts.Conflict]) -> tuple[MeterLine, ...]:
    by_rules = [MeterLine(r.umid, True, MeterState.REJECTED, r.refusal) for r in decision.refused]
    taken = [MeterLine(c.reference, True, MeterState.REJECTED, conflicts.refusal([c])) for c in found]
    return (*by_rules, *taken)


# --- consents --------------------------------------------------------------------------------------------------------


def _extended(
    enrollment: Enrollment, grants: Sequence[ConsentGrant], umids: Sequence[str], now: datetime
) -> Mapping[Consent, Sequence[str]] | Refusal:
    """The live consents that hold for the new meters too, with all their meters; CONSENT_REQUIRED where one does not.

    One holds where the message grants it, where it was given for all of the customer's meters (R-P2.4), and where
    sending the message is the grant, as the confirm was (decision 35). An optional one that nobody speaks of stays.
    """
    live = {
        c.key: c
        for c in Consent.objects.select_for_update(of=("self",))
        .select_related("credential")
        .filter(enrollment=enrollment, state=ConsentState.GRANTED)
        .order_by("pk")
    }
    given = [grant for grant in grants if grant.granted and grant.key in live]
    agreed = agreed_consents(enrollment.program_version, given, umids, (), now=now, only_given=True)
    if isinstance(agreed, Refusal):
        return agreed
    covered: dict[Key, Sequence[str]] = {consent.key: consent.meters for consent in agreed}
    missing = []
    for key, consent in live.items():
        if key in covered:
            continue
        if consent.basis == "CONFIRM" or consent.terms.get("meterScope") == ALL_MY_METERS:
            covered[key] = list(umids)
        elif consent.is_required:
            missing.append(consent.consent_type)
    if missing:
        return Refusal(
            Code.CONSENT_REQUIRED,
            f"These consents do not cover the new meters: {', '.join(missing)}.",
            field="consents",
            details={"missing": missing},
        )
    return {
        live[key]: [*live[key].meters, *(u for u in new if u not in live[key].meters)] for key, new in covered.items()
    }
