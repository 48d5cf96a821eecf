"""Which of the customer's meters can join a program: the verdicts of an init, for every meter, without its holds.

The same rules decide (`evaluate`, `conflicts.find`, places), so that a cell says what an init of this moment would.
Nothing is written and nothing is locked. Source: decision 25, personas P2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from enrollment import catalog, claims, conflicts, own_meters, places
from enrollment.claiming import find_conflicts, wanted_of
from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, DerRef, MeterRef, SelectProgram
from enrollment.consenting import CONSENT_SUSPENSION
from enrollment.dates import Period, agree
from enrollment.eligibility import evaluate
from enrollment.facts import Decision, Facts, Outcome
from enrollment.gathering import gather, too_old_to_refuse, with_subject_kind
from enrollment.models import Enrollment, EnrollmentCase, ProgramVersion
from enrollment.results import Assessment, Cell, CellAction, CellReason, CellState, DerLineInRegister, Refused, Selected
from enrollment.states import CaseState, EnrollmentState
from identity.models import Subject
from utility_systems import registry
from utility_systems.ports import CertificateKind, DerFacts, MeterFacts, UtilityUnavailable

#: Certificates and files that an applicant can still bring: not a no.
CAN_BE_MENDED = frozenset({Code.DER_NOT_CERTIFIED})
_DEVICES = frozenset({"DER_TYPE", "DER_CERTIFIED"})


@dataclass(frozen=True)
class _Asked:
    """What is the same for every cell."""

    version: ProgramVersion
    authority: Authority
    subject: Subject | None
    period: Period
    now: datetime
    is_full: bool

    @property
    def did(self) -> str:
        return self.authority.proven_subject


def assess(command: SelectProgram, version: ProgramVersion, authority: Authority, now: datetime) -> Assessment:
    """The cells of this program for the customer who proved to be it. No transaction is open while others are asked.

    Meters that are not theirs are answered like unknown ones: not at all.
    """
    period = agree(
        None,
        None,
        "",
        default_term_days=version.default_term_days,
        max_term_days=version.max_term_days,
        closes_at=version.closes_at,
        now=now,
    )
    if isinstance(period, Refusal):
        return Assessment(())
    try:
        own = own_meters.of(authority, version.utilities, now)
    except UtilityUnavailable as outage:
        return _silent(command, outage.utility_id)
    named = {ref.umid for ref in command.meters}
    meters = [meter for meter in own if not named or meter.umid in named]
    subject = Subject.objects.filter(did=authority.proven_subject).first()
    asked = _Asked(version, authority, subject, period, now, is_full=not places.are_left(version, 1))
    try:
        ders = _ders_of(meters)
        facts = _facts(asked, meters, command.ders or _refs(ders.values()))
    except UtilityUnavailable as outage:
        return Assessment(tuple(_unknown(meter) for meter in meters), unavailable=(outage.utility_id,))
    there = _there(asked, meters, list(facts.ders))
    cells = tuple(_cell(asked, meter, _ders_for(asked, meter, command.ders, facts), facts, there) for meter in meters)
    return Assessment(cells, tuple(_line(der, now) for _, der in sorted(ders.items())))


def assess_selected(command: SelectProgram, authority: Authority, now: datetime) -> Selected | Refused:
    """A select that shows who asks: what the program requires, and the verdict on each of their meters."""
    found = catalog.select(command, now=now)
    version = catalog.open_version(command.program_id, now, provider_id=command.provider_id)
    if isinstance(found, Refused) or version is None:
        return found
    return replace(found, assessment=assess(command, version, authority, now), checked_at=now)


# --- what is asked of others -----------------------------------------------------------------------------------------


def _ders_of(meters: Sequence[MeterFacts]) -> dict[str, DerFacts]:
    by_utility: dict[str, list[str]] = defaultdict(list)
    for meter in meters:
        by_utility[meter.utility_id].append(meter.umid)
    return {
        der.der_id: der
        for utility_id, umids in by_utility.items()
        for der in registry.adapter_for(utility_id).ders_at(umids)
    }


def _refs(ders: Iterable[DerFacts]) -> tuple[DerRef, ...]:
    return tuple(DerRef(der.der_id, der.type) for der in ders)


def _facts(asked: _Asked, meters: Sequence[MeterFacts], ders: Sequence[DerRef]) -> Facts:
    """What an init would gather; the meters are known already."""
    version = asked.version
    gathered = gather(
        own_meters.refs(meters[:1]) if ders else (),
        ders,
        (),
        utilities=version.utilities,
        subject_did=asked.did,
        now=asked.now,
        criteria=version.criteria,
        secondary=version.secondary_utilities,
    )
    facts = replace(gathered.facts, meters={meter.umid: meter for meter in meters})
    return with_subject_kind(facts, version.criteria, asked.did)


def _ders_for(asked: _Asked, meter: MeterFacts, named: Sequence[DerRef], facts: Facts) -> tuple[DerRef, ...]:
    """The devices an init for this meter would name: those behind it that the program asks about, or those named."""
    kinds = {criterion["kind"] for criterion in asked.version.criteria}
    types = {str(each["type"]) for each in asked.version.required_credentials}
    if not kinds & _DEVICES and "DERCertificationCredential" not in types:
        return ()
    if named:
        return tuple(ref for ref in named if facts.ders[ref.der_id].umid in ("", meter.umid))
    behind = (der for der in facts.ders.values() if der.umid == meter.umid and _is_wanted(asked.version, der))
    return tuple(DerRef(der.der_id, der.type) for der in behind)


def _is_wanted(version: ProgramVersion, der: DerFacts) -> bool:
    wanted = {t for c in version.criteria if c["kind"] == "DER_TYPE" for t in c.get("parameters", {}).get("anyOf", ())}
    return not wanted or der.type in wanted


# --- what is there already -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _There:
    """What is there already, asked for once for all cells. `without_consent`: ids of enrolments that lack one."""

    incumbents: Mapping[tuple[str, str], list[conflicts.Incumbent]]
    open_cases: Mapping[str, EnrollmentCase]
    without_consent: frozenset[str]


def _there(asked: _Asked, meters: Sequence[MeterFacts], der_ids: Sequence[str]) -> _There:
    found = _incumbents(asked, meters, der_ids)
    ids = {each.enrollment_id for several in found.values() for each in several if each.is_same_subject}
    paused = Enrollment.objects.filter(
        enrollment_id__in=ids - {""}, state=EnrollmentState.SUSPENDED, suspension_reason=CONSENT_SUSPENSION
    )
    return _There(found, _open_cases(asked), frozenset(paused.values_list("enrollment_id", flat=True)))


def _incumbents(
    asked: _Asked, meters: Sequence[MeterFacts], der_ids: Sequence[str]
) -> Mapping[tuple[str, str], list[conflicts.Incumbent]]:
    """Live claims by (kind, reference), without the holds that an init of the same customer would release."""
    if asked.subject is None or not meters:
        return {}
    wanted = wanted_of(asked.version, [meter.umid for meter in meters], der_ids)
    claimant = claims.Claimant(None, asked.subject.pk, asked.version.program_id)
    zone = registry.zone(meters[0].utility_id)
    starts_at, ends_at = asked.period.starts_at, asked.period.ends_at
    found = claims.incumbents(wanted, claimant, starts_at, ends_at, zone=zone, now=asked.now)
    by_reference: dict[tuple[str, str], list[conflicts.Incumbent]] = defaultdict(list)
    own_program = asked.version.program.program_id
    for each in found:
        if not (each.is_hold and each.is_same_subject and each.program_id == own_program):
            by_reference[each.kind, each.reference].append(each)
    return by_reference


def _open_cases(asked: _Asked) -> Mapping[str, EnrollmentCase]:
    """The customer's applications for this program that wait for somebody else, by meter."""
    if asked.subject is None:
        return {}
    cases = EnrollmentCase.objects.filter(subject=asked.subject, program_id=asked.version.program.program_id)
    waiting = cases.filter(state=CaseState.IN_REVIEW) | cases.exclude(waiting_act="").exclude(state__in=_OVER)
    return {umid: case for case in waiting.order_by("pk") for umid in case.meters}


_OVER = (CaseState.CONFIRMED, CaseState.REJECTED, CaseState.WITHDRAWN, CaseState.EXPIRED)


# --- one cell --------------------------------------------------------------------------------------------------------


def _cell(
    asked: _Asked,
    meter: MeterFacts,
    ders: Sequence[DerRef],
    facts: Facts,
    there: _There,
) -> Cell:
    own_program = asked.version.program.program_id
    at_meter = there.incumbents.get(("METER", meter.umid), [])
    mine = next((i for i in at_meter if i.is_same_subject and i.program_id == own_program and not i.is_hold), None)
    cell = Cell(meter.umid, meter.utility_id, CellState.CAN_ENROLL, meter=meter)
    if mine is not None:
        state = CellState.NO_CONSENT if mine.enrollment_id in there.without_consent else CellState.ENROLLED
        return replace(cell, state=state, until=mine.ends_at, enrollment_id=mine.enrollment_id)
    if meter.umid in there.open_cases:
        return replace(cell, state=CellState.PENDING)
    decision = evaluate(
        catalog.terms(asked.version),
        facts,
        [MeterRef(meter.umid, meter.utility_id)],
        ders,
        subject_did=asked.did,
        authority=asked.authority,
        now=asked.now,
        ends_at=asked.period.ends_at,
    )
    if too_old_to_refuse(decision, facts) is not None:
        return replace(cell, state=CellState.UNKNOWN)
    if decision.refusal is not None:
        return _refused(cell, decision, decision.refusal)
    wanted = wanted_of(asked.version, [meter.umid], [ref.der_id for ref in ders])
    incumbents = [each for one in wanted for each in there.incumbents.get((one.kind, one.reference), ())]
    found = find_conflicts(asked.version, wanted, incumbents)
    if found:
        return _taken(cell, found)
    if asked.is_full:
        return replace(cell, state=CellState.WAITLIST, reasons=(_reason(places.none_left()),))
    actions = _actions(decision)
    return replace(cell, state=CellState.NEEDS_ACTION if actions else CellState.CAN_ENROLL, actions=actions)


def _refused(cell: Cell, decision: Decision, refusal: Refusal) -> Cell:
    failed = [f for f in decision.findings if f.outcome is not Outcome.PASS]
    reasons = tuple(
        CellReason(refusal.code.value, f.text or f.needed, f.criterion, f.actual, f.needed) for f in failed
    ) or (_reason(refusal),)
    if refusal.code not in CAN_BE_MENDED:
        return replace(cell, state=CellState.NOT_ELIGIBLE, reasons=reasons)
    der_id = str(refusal.details.get("der_id", ""))
    kind = "UPLOAD_DOCUMENT" if decision.documents_for else "PRESENT_CREDENTIAL"
    action = CellAction(kind, credential_type="DERCertificationCredential", der_id=der_id)
    return replace(cell, state=CellState.NEEDS_ACTION, reasons=(_reason(refusal),), actions=(action,))


def _taken(cell: Cell, found: Sequence[conflicts.Conflict]) -> Cell:
    reasons = tuple(CellReason(Code.ENROLLMENT_CONFLICT.value, each.reason) for each in found)
    ends = [each.free_from for each in found]
    free_from = max(end for end in ends if end is not None) if all(end is not None for end in ends) else None
    actions = (CellAction("START_LATER"),) if free_from is not None else ()
    enrollment_id = next((each.enrollment_id for each in found if each.enrollment_id), "")
    return replace(
        cell,
        state=CellState.CONFLICT,
        reasons=reasons,
        actions=actions,
        earliest_start=free_from,
        enrollment_id=enrollment_id,
    )


def _actions(decision: Decision) -> tuple[CellAction, ...]:
    return (
        *(CellAction("PRESENT_CREDENTIAL", credential_type=missing.type) for missing in decision.missing),
        *(CellAction("PROVIDE_CAPACITY", der_id=question.target) for question in decision.questions),
    )


def _reason(refusal: Refusal) -> CellReason:
    return CellReason(refusal.code.value, refusal.sentence)


def _silent(command: SelectProgram, utility_id: str) -> Assessment:
    """Nothing is known and nothing concluded: no meter is refused because its utility is down."""
    cells = tuple(Cell(ref.umid, ref.utility_id or utility_id, CellState.UNKNOWN) for ref in command.meters)
    return Assessment(cells, unavailable=(utility_id,))


def _unknown(meter: MeterFacts) -> Cell:
    return Cell(meter.umid, meter.utility_id, CellState.UNKNOWN, meter=meter)


def _line(der: DerFacts, now: datetime) -> DerLineInRegister:
    state, until = _certificate_state(der, now)
    return DerLineInRegister(
        der.der_id,
        der.type,
        der.umid,
        der.rated_kw,
        der.energy_kwh,
        der.manufacturer,
        der.model,
        der.source,
        state,
        until,
    )


def _certificate_state(der: DerFacts, now: datetime) -> tuple[str, datetime | None]:
    """CERTIFIED, EXPIRED or NOT_CERTIFIED by the register's own approvals, and until when."""
    approvals = [c for c in der.certificates if c.kind == CertificateKind.INTERCONNECTION]
    valid = [c for c in approvals if c.valid_at(now)]
    if valid:
        ends = [c.valid_until for c in valid]
        return "CERTIFIED", max(end for end in ends if end) if all(ends) else None
    return ("EXPIRED" if any(c.valid_until and c.valid_until <= now for c in approvals) else "NOT_CERTIFIED"), None
