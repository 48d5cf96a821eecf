"""A device's place in a program: whose it is, of which type, and how it is certified (personas 6, decisions 36, 61).

The order of evidence for a certificate: presented credential, the utility's register, a file that two persons
reviewed; then refusal. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from enrollment.codes import Refusal
from enrollment.commands import Authority, DerRef
from enrollment.criteria import DER_CRITERIA
from enrollment.facts import (
    DER_CERTIFICATION,
    DocumentFact,
    Evidence,
    Facts,
    Finding,
    Outcome,
    PendingReview,
    Question,
    Terms,
    der_not_certified,
    is_current,
    not_eligible,
    one_of,
)
from utility_systems.ports import CertificateKind, DerFacts, DerType, MeterFacts

_DER_TYPES = frozenset(DerType.__members__)
#: By how much what is declared may differ from what is certified (R-P6.2); a program may say `tolerancePercent`.
TOLERANCE_PERCENT = 5.0
#: How well a device is known to be somebody's, weakest first (R-P3, device proof); a program may ask a `minimumSource`.
SOURCES = ("DECLARED", "DOCUMENT", "MAKER", "VC", "UTILITY_API")
#: What is fixed to the grid and needs the utility's approval for it (R-P6.5); a car feeds in through its charger.
_FIXED = frozenset({"SOLAR_PV", "WIND", "BATTERY_STORAGE"})
_FEEDS_IN = frozenset({"SOLAR_PV", "WIND", "BATTERY_STORAGE", "V2G_EV"})
#: The kind of file that may stand in for a certificate, where a program's `documents` name it.
CERTIFICATE_FILE = "DER_CERTIFICATE"


@dataclass(frozen=True)
class Devices:
    """What the rules found about the devices of an order."""

    findings: tuple[Finding, ...] = ()
    refusal: Refusal | None = None
    sources: frozenset[str] = frozenset()  # of the certificates: CREDENTIAL, UTILITY, DOCUMENT
    reviews: tuple[PendingReview, ...] = ()
    questions: tuple[Question, ...] = ()
    warnings: tuple[str, ...] = ()
    documents_for: tuple[str, ...] = ()
    certified_until: datetime | None = None  # the earliest end of the certificates


@dataclass(frozen=True)
class _Problem:
    reason: str
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)
    is_final: bool = False

    @property
    def may_be_mended_by_a_file(self) -> bool:
        return self.reason in ("MISSING", "EXPIRED") and not self.is_final


@dataclass(frozen=True)
class _Certified:
    """A certificate that holds: where it came from, what it says, until when, and the review it waits for."""

    source: str = ""
    kw: float | None = None
    until: datetime | None = None
    review: PendingReview | None = None


def check_devices(
    terms: Terms,
    facts: Facts,
    ders: Sequence[DerRef],
    evidence: Sequence[Evidence],
    subject_did: str,
    authority: Authority,
    now: datetime,
    ends_at: datetime | None = None,
) -> Devices:
    """`ends_at`: the end of the enrolment asked for; a certificate that ends before it is warned of (R-P6.9)."""
    asked = {c["kind"]: c.get("parameters") or {} for c in terms.criteria if c["kind"] in DER_CRITERIA}
    texts = {c["kind"]: c.get("text", "") for c in terms.criteria}
    needs_certificate = "DER_CERTIFIED" in asked or any(
        r["type"] == DER_CERTIFICATION for r in terms.required_credentials
    )
    options = {**asked.get("DER_TYPE", {}), **asked.get("DER_CERTIFIED", {})}
    found = _Found()
    for ref in ders:
        known = facts.ders.get(ref.der_id)
        is_anothers = known is not None and known.owner_did not in ("", subject_did)
        if needs_certificate:
            # Somebody else's device and one nobody knows get the same words, as with meters.
            certified = _certified(ref, None if is_anothers else known, facts, evidence, authority, options, now)
            problem = certified if isinstance(certified, _Problem) else None
            outcome = Outcome.FAIL if problem else Outcome.PASS
            said = problem.sentence if problem else ""
            found.findings.append(Finding("DER_CERTIFIED", ref.der_id, outcome, "a valid DER certificate", said))
            if problem is not None:
                refusal = der_not_certified(ref.der_id, problem.reason, problem.sentence, **problem.details)
                by_file = problem.may_be_mended_by_a_file and _takes_files(terms) and not is_anothers
                return found.ended(refusal, documents_for=(ref.der_id,) if by_file else ())
            if isinstance(certified, _Certified):
                found.take(ref, certified, ends_at, ends_with_it=options.get("onCertificateEnd") == "END")
        if is_anothers:
            return found.ended(der_not_certified(ref.der_id, "WRONG_DER", "it is not registered to this customer"))
        finding = _source_finding(
            ref, known, evidence, facts, str(options.get("minimumSource", ""))
        ) or _export_finding(ref, known, facts)
        if finding is not None:
            found.findings.append(finding)
            if not finding.is_met:
                return found.ended(not_eligible([finding]))
        if options.get("needsKw") and _kw(ref, known, evidence) is None:
            found.questions.append(Question("DER_CAPACITY_KW", ref.der_id))
    wanted_types = set(asked.get("DER_TYPE", {}).get("anyOf", ()))
    if wanted_types:
        finding = _der_type_finding(texts.get("DER_TYPE", ""), wanted_types, facts, ders)
        found.findings.append(finding)
        if not finding.is_met:
            return found.ended(not_eligible([finding]))
    return found.ended(None)


class _Found:
    """What is being found out, device by device."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.questions: list[Question] = []
        self.reviews: list[PendingReview] = []
        self.warnings: list[str] = []
        self.sources: set[str] = set()
        self.until: datetime | None = None

    def take(self, ref: DerRef, certified: _Certified, ends_at: datetime | None, *, ends_with_it: bool) -> None:
        self.sources.add(certified.source)
        ends = [end for end in (self.until, certified.until) if end is not None]
        self.until = min(ends, default=None)
        if certified.review is not None:
            self.reviews.append(certified.review)
        if certified.until is not None and ends_at is not None and certified.until < ends_at:
            follows = (
                "the enrollment ends with it."
                if ends_with_it
                else "have it renewed by then, or the enrollment is suspended."
            )
            self.warnings.append(
                f"The certificate of {ref.der_id} ends on {certified.until:%Y-%m-%d}, before the enrollment: {follows}"
            )

    def ended(self, refusal: Refusal | None, documents_for: tuple[str, ...] = ()) -> Devices:
        return Devices(
            findings=tuple(self.findings),
            refusal=refusal,
            sources=frozenset(self.sources),
            reviews=tuple(self.reviews),
            questions=tuple(self.questions),
            warnings=tuple(self.warnings),
            documents_for=documents_for,
            certified_until=self.until,
        )


def _takes_files(terms: Terms) -> bool:
    return any(d.get("kind") == CERTIFICATE_FILE for d in terms.documents)


def _der_type_finding(text: str, wanted: set[str], facts: Facts, ders: Sequence[DerRef]) -> Finding:
    types = [facts.ders[d.der_id].type if d.der_id in facts.ders else d.type for d in ders]
    is_met = any(t in wanted for t in types)
    needed = text or f"a device of type {one_of(wanted)}"
    actual = "" if is_met else (", ".join(sorted(types)) or "none")
    return Finding("DER_TYPE", "", Outcome.PASS if is_met else Outcome.FAIL, needed, actual)


# --- whose it is -----------------------------------------------------------------------------------------------------


def source_of(ref: DerRef, known: DerFacts | None, evidence: Sequence[Evidence], facts: Facts) -> str:
    """Who says that the device is this person's: one of SOURCES."""
    if known is not None and known.is_registered and known.owner_did:
        return known.source
    if certificate_claims(evidence, ref.der_id):
        return "VC"
    if any(d.der_id == ref.der_id and d.state == "APPROVED" for d in facts.documents):
        return "DOCUMENT"
    return "DECLARED"


def with_sources(ders: Sequence[DerRef], facts: Facts) -> list[DerFacts]:
    """The devices' facts, each with who says whose it is, as it is kept (der_subject_links.source)."""
    by_id = {ref.der_id: ref for ref in ders}
    return [
        replace(known, source=source_of(by_id[der_id], known, facts.evidence, facts)) if der_id in by_id else known
        for der_id, known in facts.ders.items()
    ]


def ends_with_certificate(criteria: Sequence[Mapping[str, Any]]) -> bool:
    """Does the program end an enrolment with the device's certificate (R-P6.9)? Else it reminds and suspends."""
    asked = (c.get("parameters") or {} for c in criteria if c["kind"] in DER_CRITERIA)
    return any(p.get("onCertificateEnd") == "END" for p in asked)


def minimum_source(criteria: Sequence[Mapping[str, Any]]) -> str:
    """How well a program wants a device to be known as somebody's: one of SOURCES, or "" for any."""
    asked = (c.get("parameters") or {} for c in criteria if c["kind"] in DER_CRITERIA)
    return next((str(p["minimumSource"]) for p in asked if p.get("minimumSource") in SOURCES), "")


def _source_finding(
    ref: DerRef, known: DerFacts | None, evidence: Sequence[Evidence], facts: Facts, minimum: str
) -> Finding | None:
    if minimum not in SOURCES:
        return None
    source = source_of(ref, known, evidence, facts)
    is_met = SOURCES.index(source) >= SOURCES.index(minimum) if source in SOURCES else False
    needed = "a device that its maker's account or the utility's register knows as yours"
    outcome = Outcome.PASS if is_met else Outcome.FAIL
    return Finding("DER_SOURCE", ref.der_id, outcome, needed, "" if is_met else source)


# --- how it is certified ---------------------------------------------------------------------------------------------


def certificate_claims(evidence: Sequence[Evidence], der_id: str) -> list[Mapping[str, Any]]:
    """What the presented certificates say of this device: one for it, or one that lists it in `ders[]` (R-P6.1)."""
    return [claims for e in evidence if e.type == DER_CERTIFICATION and (claims := _claims_about(e.claims, der_id))]


def listed_devices(claims: Mapping[str, Any]) -> list[str]:
    """The devices that a certificate speaks of."""
    listed = claims.get("ders")
    ids = [entry.get("derId") for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    return [each for each in (claims.get("derId"), *ids) if isinstance(each, str) and each]


def _claims_about(claims: Mapping[str, Any], der_id: str) -> Mapping[str, Any]:
    if claims.get("derId") == der_id:
        return claims
    listed = claims.get("ders")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and entry.get("derId") == der_id:
            common = {k: v for k, v in claims.items() if k not in ("ders", "derId", *_CAPACITIES)}
            return {**common, **entry}
    return {}


_CAPACITIES = ("capacity", "capacityKw", "capacityKW", "energyKwh", "energyKWh")


def _certified(
    ref: DerRef,
    known: DerFacts | None,
    facts: Facts,
    evidence: Sequence[Evidence],
    authority: Authority,
    options: Mapping[str, Any],
    now: datetime,
) -> _Certified | _Problem:
    """The device's certificate, or why none does (decision 36)."""
    tolerance = _number(options.get("tolerancePercent"))
    tolerance = TOLERANCE_PERCENT if tolerance is None else tolerance
    presented = [e for e in evidence if e.type == DER_CERTIFICATION and _claims_about(e.claims, ref.der_id)]
    if presented:
        for e in presented:
            problem = _mismatch(ref, known, facts, _claims_about(e.claims, ref.der_id), tolerance, now)
            if problem is not None:
                return problem
        kw, _ = certified_capacity(_claims_about(presented[0].claims, ref.der_id))
        ends = [end for e in presented for end in (e.valid_until, _instant(e.claims.get("validUntil"))) if end]
        return _Certified("CREDENTIAL", kw, min(ends, default=None))
    registered = _registered(ref, known, authority, tolerance, now)
    if isinstance(registered, _Certified) or registered.reason == "CAPACITY_MISMATCH":
        return registered
    return _reviewed(ref, facts.documents, tolerance, now) or registered


def _registered(
    ref: DerRef, known: DerFacts | None, authority: Authority, tolerance: float, now: datetime
) -> _Certified | _Problem:
    # Whoever only holds a key (a presentation) is a customer of nobody yet: the register itself must name them.
    is_theirs = known is not None and (authority.proven_utility != "" or known.owner_did == authority.proven_subject)
    if known is None or not authority.is_proven or not is_theirs:
        return _Problem("MISSING", "no certificate was presented")
    if known.commissioned_on is not None and known.commissioned_on > now.date():
        return _Problem("MISSING", f"it is commissioned only on {known.commissioned_on}")
    valid = [c for c in known.certificates if is_current(c.valid_from, c.valid_until, now)]
    if not valid:
        if known.certificates:
            return _Problem("EXPIRED", "its certificate has expired")
        return _Problem("MISSING", "no certificate is registered")
    approvals = [c for c in valid if c.kind == CertificateKind.INTERCONNECTION]
    if not approvals and known.type in _FIXED:
        return _Problem("MISSING", "its interconnection is not approved")
    capacity_kw = max((c.capacity_kw or 0.0 for c in valid), default=0.0) or None
    in_force = approvals or valid
    ends = [c.valid_until for c in in_force if c.valid_until]
    return (
        _differs(ref.declared_kw, capacity_kw, "certified", "kW", tolerance)
        or _differs(ref.declared_kwh, known.energy_kwh, "registered", "kWh", tolerance)
        or _Certified("UTILITY", capacity_kw, max(ends) if len(ends) == len(in_force) else None)
    )


def _reviewed(
    ref: DerRef, documents: Sequence[DocumentFact], tolerance: float, now: datetime
) -> _Certified | _Problem | None:
    """What a file in place of the certificate is good for, or None where the order names none for this device."""
    mine = [d for d in documents if d.der_id == ref.der_id]
    if not mine:
        return None
    document = next((d for d in mine if d.is_final), mine[-1])
    if document.state == "REFUSED":
        sentence = f"its document was not accepted ({document.reason or 'no reason given'})"
        return _Problem("MISSING", sentence, is_final=document.is_final)
    if document.state != "APPROVED":
        return _Certified("DOCUMENT", review=PendingReview(document.document_id, ref.der_id))
    if document.valid_until is not None and document.valid_until <= now:
        return _Problem("EXPIRED", "its certificate has expired")
    return _differs(ref.declared_kw, document.capacity_kw, "certified", "kW", tolerance) or _Certified(
        "DOCUMENT", document.capacity_kw, document.valid_until
    )


def _mismatch(
    ref: DerRef,
    known: DerFacts | None,
    facts: Facts,
    claims: Mapping[str, Any],
    tolerance: float,
    now: datetime,
) -> _Problem | None:
    """What a presented certificate says otherwise than the application or the register."""
    stated = [str(claims.get(key)) for key in ("derType", "generationType")]
    certified_type = next((t for t in stated if t in _DER_TYPES), None)
    actual_type = known.type if known is not None and known.type in _DER_TYPES else ref.type
    if certified_type is not None and actual_type in _DER_TYPES and certified_type != actual_type:
        return _Problem("WRONG_DER", f"it is certified as {certified_type}, not {actual_type}")
    commissioned = _day(claims.get("commissioningDate"))
    if commissioned is not None and commissioned > now.date():
        return _Problem("MISSING", f"it is commissioned only on {commissioned}")
    if _is_of_another_meter(claims, known, facts):
        return _Problem("WRONG_DER", "its certificate names another meter")
    if known is not None and known.is_registered and known.certificates and not _is_approved(known, now):
        return _Problem("MISSING", "its interconnection is not approved")
    certified_kw, certified_kwh = certified_capacity(claims)
    return _differs(ref.declared_kw, certified_kw, "certified", "kW", tolerance) or _differs(
        ref.declared_kwh, certified_kwh, "certified", "kWh", tolerance
    )


def _is_approved(known: DerFacts, now: datetime) -> bool:
    """Has the register an interconnection approval in force? One with other certificates only says: not approved."""
    return known.type not in _FIXED or any(
        c.kind == CertificateKind.INTERCONNECTION and is_current(c.valid_from, c.valid_until, now)
        for c in known.certificates
    )


def _is_of_another_meter(claims: Mapping[str, Any], known: DerFacts | None, facts: Facts) -> bool:
    """Does the certificate name a meter that was never at the device's metering point (R-P6.3)?

    A number counts that hung there at any time, because the certificate outlives the meter it was issued for. Where
    the utility tells no numbers, nothing is held against the device.
    """
    number = claims.get("meterNumber")
    if not isinstance(number, str) or not number or not facts.meters:
        return False
    behind = facts.meters.get(known.umid) if known is not None else None
    meters: Sequence[MeterFacts] = [behind] if behind is not None else list(facts.meters.values())
    numbers = {n for m in meters for n in (m.meter_number, *(earlier.number for earlier in m.earlier_numbers))}
    return bool(numbers) and number not in numbers


def _differs(
    declared: float | None, certified: float | None, word: str, unit: str, tolerance_percent: float
) -> _Problem | None:
    """CAPACITY_MISMATCH where what is declared is not what is certified, within the tolerance (R-P6.2)."""
    if declared is None or certified is None:
        return None
    if abs(declared - certified) <= certified * tolerance_percent / 100 + 1e-9:
        return None
    names = {"kW": ("declared_kw", "certified_kw"), "kWh": ("declared_kwh", "certified_kwh")}[unit]
    return _Problem(
        "CAPACITY_MISMATCH",
        f"it is {word} {'for' if word == 'certified' else 'with'} {certified} {unit}, not {declared} {unit}",
        dict(zip(names, (declared, certified), strict=True)),
    )


def _export_finding(ref: DerRef, known: DerFacts | None, facts: Facts) -> Finding | None:
    """More than the meter may feed in is refused with the limit (R-P6.2), where the utility tells one."""
    kind = known.type if known is not None and known.is_registered else ref.type
    if ref.declared_kw is None or kind not in _FEEDS_IN:
        return None
    behind = facts.meters.get(known.umid) if known is not None and known.umid else None
    meters = [behind] if behind is not None else list(facts.meters.values())
    limits = [m.sanctioned_export_kw for m in meters if m.sanctioned_export_kw is not None]
    if not limits or len(limits) < len(meters):
        return None
    is_met = ref.declared_kw <= max(limits)
    needed = f"at most {max(limits)} kW fed in at this meter"
    outcome = Outcome.PASS if is_met else Outcome.FAIL
    return Finding("SANCTIONED_EXPORT", ref.der_id, outcome, needed, "" if is_met else f"{ref.declared_kw} kW")


def _kw(ref: DerRef, known: DerFacts | None, evidence: Sequence[Evidence]) -> float | None:
    """The device's power, from whoever tells it: register or certificate, then the applicant (decision 61)."""
    certified = next((kw for c in certificate_claims(evidence, ref.der_id) if (kw := certified_capacity(c)[0])), None)
    registered = known.rated_kw if known is not None else None
    return registered if registered is not None else certified if certified is not None else ref.declared_kw


def certified_capacity(claims: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(kW, kWh) that a DER certification speaks of: `capacityKw`/`energyKwh`, or the guide's `capacity{value,unit}`."""
    kw = _number(claims.get("capacityKw", claims.get("capacityKW")))
    kwh = _number(claims.get("energyKwh", claims.get("energyKWh")))
    capacity = claims.get("capacity")
    if isinstance(capacity, Mapping):
        unit, value = str(capacity.get("unit", "")).lower(), _number(capacity.get("value"))
        if unit == "kw" and kw is None:
            kw = value
        elif unit == "kwh" and kwh is None:
            kwh = value
    return kw, kwh


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _instant(value: object) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parsed if parsed is not None and parsed.tzinfo else None
