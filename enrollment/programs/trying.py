"""A version tried on one meter: the real facts, the real rules, and nothing written but a line in the journal.

The utility is asked with no transaction open. What comes out is what an init of this moment would find, for whoever is
at the meter today; a draft is tried like a published version. Source: screens C7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from audit import log
from audit.log import Action, Actor
from enrollment import catalog, claims, places
from enrollment.claiming import find_conflicts, wanted_of
from enrollment.codes import Refusal
from enrollment.commands import Authority, DerRef, MeterRef
from enrollment.conflicts import Conflict
from enrollment.criteria import is_asked_of_meters
from enrollment.dates import agree
from enrollment.eligibility import evaluate
from enrollment.facts import DER_CERTIFICATION, Decision, Facts, Finding, Outcome
from enrollment.gathering import gather, with_subject_kind
from enrollment.models import ProgramVersion
from utility_systems import registry
from utility_systems.ports import DerFacts, Holder, MeterFacts, UtilityUnavailable

#: Stands for somebody whom the utility's record does not name by a DID.
SOMEBODY = "did:example:somebody"
NOBODY = UUID(int=0)
_DEVICES = frozenset({"DER_TYPE", "DER_CERTIFIED"})


class NotTried(Exception):
    """The trial came to nothing: the utility does not answer, or does not know the meter."""

    def __init__(self, code: str, utility_id: str) -> None:
        super().__init__(code)
        self.code = code  # UNAVAILABLE, UNKNOWN_UTILITY, UNKNOWN_METER
        self.utility_id = utility_id


@dataclass(frozen=True)
class Line:
    """One condition, met or not; what is needed is said in the program's own sentence and in the rule's."""

    criterion: str
    target: str
    is_met: bool
    needed: str
    actual: str
    is_decided: bool = True  # False: something before it ended the matter


@dataclass(frozen=True)
class Trial:
    """What came of it. `role` is as whom it was tried, "" where the record names nobody at the meter."""

    meter: MeterFacts
    devices: tuple[DerFacts, ...]
    role: str
    lines: tuple[Line, ...]
    refusal: Refusal | None
    missing: tuple[str, ...]
    questions: tuple[str, ...]
    reviews: int
    warnings: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    are_places_left: bool
    dates: Refusal | None

    @property
    def can_join(self) -> bool:
        return self.refusal is None and not self.conflicts and self.are_places_left and self.dates is None


def try_on(
    version: ProgramVersion,
    utility_id: str,
    umid: str,
    *,
    role: str = "",
    acr: str = "",
    actor: Actor,
    now: datetime,
) -> Trial:
    """Judge the meter by the version, as its first holder today or as whoever has the role there. Raises NotTried."""
    if utility_id not in registry.utility_ids():
        raise NotTried("UNKNOWN_UTILITY", utility_id)
    try:
        trial = _tried(version, utility_id, umid, role, acr, now)
    except UtilityUnavailable as outage:
        raise NotTried("UNAVAILABLE", outage.utility_id) from outage
    log.record(
        Action.READ_PII,
        actor=actor,
        at=now,
        object_type="meter",
        object_id=umid,
        details={
            "fields": ["meter", "devices", "standing"],
            "reason": "TRYING_A_PROGRAM",
            "utility": utility_id,
            "program": version.program.program_id,
            "version": version.number,
            "can_join": trial.can_join,
        },
    )
    return trial


def _tried(version: ProgramVersion, utility_id: str, umid: str, role: str, acr: str, now: datetime) -> Trial:
    adapter = registry.adapter_for(utility_id)
    found = adapter.meters([umid])
    if not found:
        raise NotTried("UNKNOWN_METER", utility_id)
    meter = found[0]
    holder = _holder(meter, role, now)
    did = (holder.subject_did or SOMEBODY) if holder is not None else SOMEBODY
    behind = _devices(version, adapter.ders_at([umid]))
    ders = tuple(DerRef(der.der_id, der.type) for der in behind)
    gathered = gather(
        [MeterRef(umid, utility_id)],
        ders,
        (),
        utilities=version.utilities,
        subject_did=did,
        now=now,
        criteria=version.criteria,
        secondary=version.secondary_utilities,
    )
    facts = with_subject_kind(
        replace(gathered.facts, meters={umid: _held_by(meter, holder, did)}), version.criteria, did
    )
    authority = Authority("", proven_subject=did, proven_utility=utility_id, acr=acr)
    period = agree(
        None,
        None,
        "",
        default_term_days=version.default_term_days,
        max_term_days=version.max_term_days,
        closes_at=version.closes_at,
        now=now,
    )
    decision = evaluate(
        catalog.terms(version),
        facts,
        [MeterRef(umid, utility_id)],
        ders,
        subject_did=did,
        authority=authority,
        now=now,
        ends_at=None if isinstance(period, Refusal) else period.ends_at,
    )
    return Trial(
        meter=meter,
        devices=behind,
        role=holder.role if holder is not None else "",
        lines=_lines(version, decision, facts, umid),
        refusal=decision.refusal,
        missing=tuple(each.type for each in decision.missing),
        questions=tuple(each.target for each in decision.questions),
        reviews=len(decision.reviews),
        warnings=tuple(decision.warnings),
        conflicts=_conflicts(version, utility_id, umid, [der.der_id for der in behind], period, now),
        are_places_left=places.are_left(version, 1),
        dates=period if isinstance(period, Refusal) else None,
    )


def _holder(meter: MeterFacts, role: str, now: datetime) -> Holder | None:
    present = meter.holders_at(now)
    return next((each for each in present if each.role == role), None) if role else next(iter(present), None)


def _held_by(meter: MeterFacts, holder: Holder | None, did: str) -> MeterFacts:
    """The meter with its chosen person named: a record that names accounts only proves nothing to whoever tries."""
    if holder is None or holder.subject_did:
        return meter
    named = tuple(replace(each, subject_did=did) if each is holder else each for each in meter.holders)
    return replace(meter, holders=named)


def _devices(version: ProgramVersion, behind: Sequence[DerFacts]) -> tuple[DerFacts, ...]:
    """Those an application would name: of the types the program asks for, none where it asks for no device."""
    kinds = {criterion["kind"] for criterion in version.criteria}
    types = {str(each["type"]) for each in version.required_credentials}
    if not kinds & _DEVICES and DER_CERTIFICATION not in types:
        return ()
    wanted = {t for c in version.criteria if c["kind"] == "DER_TYPE" for t in c.get("parameters", {}).get("anyOf", ())}
    return tuple(der for der in behind if not wanted or der.type in wanted)


def _lines(version: ProgramVersion, decision: Decision, facts: Facts, umid: str) -> tuple[Line, ...]:
    """Every condition with its finding; one the rules did not come to is left out of the findings, and said so here."""
    told = [_line(finding, _actual_of(finding, facts, umid)) for finding in decision.findings]
    asked = [c for c in catalog.terms(version).criteria if is_asked_of_meters(c)]
    found = {line.criterion for line in told}
    return (
        *told,
        *(
            Line(c["kind"], umid, False, str(c.get("text") or ""), "", is_decided=False)
            for c in asked
            if c["kind"] not in found
        ),
    )


def _line(finding: Finding, actual: str) -> Line:
    return Line(finding.criterion, finding.target, finding.outcome is Outcome.PASS, finding.needed, actual)


#: What the utility says of the meter where a condition is met: the rules only say it where it is not.
_FACT: Mapping[str, str] = {
    "UTILITY": "utility_id",
    "REGION": "grid_area",
    "CONNECTION_TYPE": "connection_type",
    "SANCTIONED_LOAD": "sanctioned_load_kw",
    "ACCOUNT_STANDING": "account_standing",
}


def _actual_of(finding: Finding, facts: Facts, umid: str) -> str:
    if finding.actual or finding.criterion not in _FACT:
        return finding.actual
    value = getattr(facts.meters[umid], _FACT[finding.criterion])
    return f"{value} kW" if finding.criterion == "SANCTIONED_LOAD" else str(value or "")


def _conflicts(
    version: ProgramVersion,
    utility_id: str,
    umid: str,
    der_ids: Sequence[str],
    period: object,
    now: datetime,
) -> tuple[Conflict, ...]:
    """Who is there already, as anybody would find them: no name, and no enrolment of theirs."""
    starts_at = getattr(period, "starts_at", now)
    wanted = wanted_of(version, [umid], der_ids)
    nobody = claims.Claimant(None, NOBODY, version.program_id)
    there = claims.incumbents(
        wanted, nobody, starts_at, getattr(period, "ends_at", None), zone=registry.zone(utility_id), now=now
    )
    return find_conflicts(version, wanted, there)
