"""May this subject join this program with these meters and DERs? Pure rules over gathered facts.

`evaluate` asks nobody and writes nothing: the services hand in what the utility and the credentials said, and the
same function answers init, confirm, and (later) the meter-program matrix. One finding per criterion and target.

Source: onboarding guide 8 and 18, spec personas 1, decisions 36, 38, 54, 61.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, DerRef, MeterRef
from utility_systems.ports import DerFacts, DerType, MeterFacts

METER_OWNERSHIP = "MeterOwnershipCredential"
PROGRAM_ELIGIBILITY = "ProgramEligibilityCredential"
DER_CERTIFICATION = "DERCertificationCredential"

#: The guide's sentences for a credential that failed, by reason code (decision 42).
REASON_SENTENCES: Mapping[str, str] = {
    "MALFORMED": "The credential could not be read",
    "BAD_SIGNATURE": "Invalid signature or expired credential",
    "EXPIRED": "Invalid signature or expired credential",
    "UNKNOWN_KEY": "The key that signed the credential is not known",
    "UNTRUSTED_ISSUER": "The issuer of the credential is not trusted here",
    "TYPE_NOT_ALLOWED_FOR_ISSUER": "The issuer is not trusted for this kind of credential",
    "NOT_YET_VALID": "The credential is not yet valid",
    "REVOKED": "The credential has been revoked",
    "SUSPENDED": "The credential is suspended",
    "STATUS_UNAVAILABLE": "The status of the credential could not be checked",
    "WRONG_SUBJECT": "The credential speaks of another person",
    "WRONG_METER": "The credential speaks of another meter",
    "WRONG_DER": "The credential speaks of another device",
    "WRONG_PROGRAM": "The credential speaks of another program",
    "ALG_NOT_ALLOWED": "The credential is signed with an algorithm that is not allowed",
}

_CREDENTIAL_NAMES = {
    METER_OWNERSHIP: "Meter ownership credential",
    PROGRAM_ELIGIBILITY: "Program eligibility credential",
    DER_CERTIFICATION: "DER certification credential",
}

#: Roles that a subject may have at a meter, weakest last; METER_ROLE names those a program accepts.
METER_ROLES = ("OWNER", "HOLDER", "JOINT", "TENANT", "OPERATOR")


class Outcome(StrEnum):
    PASS = "PASS"  # noqa: S105 - an outcome, no secret
    FAIL = "FAIL"


@dataclass(frozen=True)
class Evidence:
    """A presented credential after its proof was checked: `reason` is "" or one of the closed set (spec domain 6).

    `claims` holds only the facts the rules read (see `KEPT_CLAIMS`), never a name or an address.
    """

    credential_id: str
    type: str
    reason: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    der_id: str = ""
    position: int = 0
    trusted_utilities: tuple[str, ...] = ()

    @property
    def is_verified(self) -> bool:
        return self.reason == ""


_DER_TYPES = frozenset(DerType.__members__)

#: What of a presented credential's subject is kept with a case.
KEPT_CLAIMS = (
    "meterId",
    "utilityId",
    "ownershipStatus",
    "validFrom",
    "validUntil",
    "programId",
    "eligibilityStatus",
    "criteriaMet",
    "derId",
    "derType",
    "capacity",
    "capacityKw",
    "capacityKW",
    "energyKwh",
    "energyKWh",
)


@dataclass(frozen=True)
class Terms:
    """What a program version asks for, as the pure rules read it."""

    program_id: str
    criteria: tuple[Mapping[str, Any], ...] = ()
    required_credentials: tuple[Mapping[str, Any], ...] = ()
    is_all_or_nothing: bool = False


@dataclass(frozen=True)
class Facts:
    """What the utilities said, by UMID and DER id, and what the presented credentials proved."""

    meters: Mapping[str, MeterFacts]
    ders: Mapping[str, DerFacts]
    evidence: tuple[Evidence, ...]
    subject_kind: str = "PERSON"


@dataclass(frozen=True)
class Finding:
    """One criterion, met or not, for one meter or DER. `needed` and `actual` are sayable to the applicant."""

    criterion: str
    target: str
    outcome: Outcome
    needed: str
    actual: str = ""
    text: str = ""

    @property
    def is_met(self) -> bool:
        return self.outcome is Outcome.PASS


@dataclass(frozen=True)
class MissingCredential:
    """A required credential that neither a presentation nor the utility has proven."""

    type: str
    target: str = ""


@dataclass(frozen=True)
class RefusedMeter:
    umid: str
    refusal: Refusal


@dataclass(frozen=True)
class Decision:
    """What may be enrolled. `refusal` set: nothing may. `missing` not empty: ask for it (NEEDS_INPUT)."""

    enrolled: tuple[str, ...] = ()
    refused: tuple[RefusedMeter, ...] = ()
    refusal: Refusal | None = None
    is_refused_by_proofs: bool = False
    findings: tuple[Finding, ...] = ()
    missing: tuple[MissingCredential, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def evaluate(
    terms: Terms,
    facts: Facts,
    meters: Sequence[MeterRef],
    ders: Sequence[DerRef],
    *,
    subject_did: str,
    authority: Authority,
    now: datetime,
) -> Decision:
    """Decide which of `meters` may join the program, or why none may.

    Order of the checks: presented credentials (proof and content), meters and DERs at the utility, certificates,
    criteria, required credentials. Reports the first refusal that stops everything; with several meters, one that
    fails is named in `refused` and the others go on (unless the program is all or nothing).
    """
    evidence = tuple(_with_content_checked(e, terms, facts, meters, ders, now) for e in facts.evidence)
    failed = next((e for e in evidence if not e.is_verified), None)
    if failed is not None:
        return Decision(refusal=credential_refusal(failed), is_refused_by_proofs=True)
    if not meters:
        return Decision(refusal=Refusal(Code.NO_METER, "Name at least one meter.", field="meters"))

    refused: dict[str, Refusal] = {}
    findings: list[Finding] = []
    for ref in meters:
        meter = facts.meters.get(ref.umid)
        if meter is None or not _is_theirs(meter, ref, subject_did, now):
            refused[ref.umid] = meter_not_found(ref.umid)
            continue
        of_meter = [
            _check(criterion, meter, subject_did, evidence, facts, authority, now)
            for criterion in terms.criteria
            if criterion["kind"] in _METER_CHECKS
        ]
        findings += of_meter
        not_met = [f for f in of_meter if not f.is_met]
        if not_met:
            refused[ref.umid] = not_eligible(not_met)

    of_ders, der_refusal = _check_ders(terms, facts, ders, evidence, subject_did, authority, now)
    findings += of_ders
    if der_refusal is not None:
        return Decision(refusal=der_refusal, findings=tuple(findings))

    enrolled = tuple(ref.umid for ref in meters if ref.umid not in refused)
    as_refused = tuple(RefusedMeter(umid, refusal) for umid, refusal in refused.items())
    if not enrolled or (terms.is_all_or_nothing and refused):
        return Decision(refused=as_refused, refusal=as_refused[0].refusal, findings=tuple(findings))

    missing, sources = _required_credentials(terms, facts, enrolled, ders, evidence, subject_did, authority, now)
    return Decision(
        enrolled=enrolled,
        refused=as_refused,
        findings=tuple(findings),
        missing=missing,
        sources=sources,
        warnings=tuple(_warnings(evidence)),
    )


def credential_refusal(evidence: Evidence) -> Refusal:
    """The guide's 18.5 error for one credential that did not hold."""
    name = _CREDENTIAL_NAMES.get(evidence.type, "A presented credential")
    return Refusal(
        Code.CREDENTIAL_VERIFICATION_FAILED,
        f"{name} could not be verified",
        field=f"credentials[{evidence.position}]",
        details={
            "credential_id": evidence.credential_id,
            "reason": REASON_SENTENCES.get(evidence.reason, "The credential could not be verified"),
            "reason_code": evidence.reason,
        },
    )


def meter_not_found(umid: str) -> Refusal:
    # The same words for an unknown meter and for somebody else's: the answer must not tell which.
    return Refusal(
        Code.METER_NOT_FOUND,
        f"Meter {umid} was not found for this customer. Check the number on the bill.",
        field="meters",
        details={"meter_id": umid},
    )


def not_eligible(findings: Iterable[Finding]) -> Refusal:
    failed = [
        {"criterion": f.criterion, "needed": f.needed, **({"actual": f.actual} if f.actual else {})} for f in findings
    ]
    first = failed[0]
    return Refusal(
        Code.NOT_ELIGIBLE,
        f"The program's conditions are not met: {first['needed']}.",
        field="meters",
        details={"failed": failed},
    )


def _der_not_certified(der_id: str, reason: str, kind: str = "INTERCONNECTION") -> Refusal:
    return Refusal(
        Code.DER_NOT_CERTIFIED,
        f"The device {der_id} has no certificate that the program accepts: {reason}.",
        field="ders",
        details={"der_id": der_id, "reason": reason, "required": {"kind": kind}},
    )


# --- presented credentials: does the content belong to this order? ---------------------------------------------------


def _with_content_checked(
    evidence: Evidence, terms: Terms, facts: Facts, meters: Sequence[MeterRef], ders: Sequence[DerRef], now: datetime
) -> Evidence:
    if not evidence.is_verified:
        return evidence
    claims, reason = evidence.claims, ""
    if evidence.type == METER_OWNERSHIP:
        named = {m.umid: m.utility_id for m in meters}
        umid = str(claims.get("meterId"))
        known = facts.meters.get(umid)
        utility_id = known.utility_id if known is not None else named.get(umid)
        if umid not in named or not _is_of_utility(evidence, utility_id):
            reason = "WRONG_METER"
        else:
            reason = _dates_reason(claims, now)
    elif evidence.type == PROGRAM_ELIGIBILITY:
        if claims.get("programId") != terms.program_id:
            reason = "WRONG_PROGRAM"
    elif evidence.type == DER_CERTIFICATION:
        der_id = str(claims.get("derId"))
        if (
            der_id not in {d.der_id for d in ders}
            or (evidence.der_id and evidence.der_id != der_id)
            or (facts.meters and not any(_is_of_utility(evidence, m.utility_id) for m in facts.meters.values()))
        ):
            reason = "WRONG_DER"
        else:
            reason = _dates_reason(claims, now)
    return replace(evidence, reason=reason) if reason else evidence


def _is_of_utility(evidence: Evidence, utility_id: str | None) -> bool:
    """May this issuer speak of things of that utility? What the credential names counts; else the scope of our trust.

    Without this, an issuer trusted for one utility could vouch for the meters of another.
    """
    if not utility_id:
        return True  # not known yet: asked again with the utility's own answer
    named = evidence.claims.get("utilityId")
    if named is not None:
        return bool(named == utility_id)
    return not evidence.trusted_utilities or utility_id in evidence.trusted_utilities


def _dates_reason(claims: Mapping[str, Any], now: datetime) -> str:
    """`validFrom`/`validUntil` inside the subject, as the guide's ownership sample carries them."""
    until, since = _instant(claims.get("validUntil")), _instant(claims.get("validFrom"))
    if until is not None and until <= now:
        return "EXPIRED"
    if since is not None and since > now:
        return "NOT_YET_VALID"
    return ""


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def _warnings(evidence: Sequence[Evidence]) -> Iterable[str]:
    for e in evidence:
        if e.type == PROGRAM_ELIGIBILITY and e.claims.get("eligibilityStatus") not in (None, "ELIGIBLE"):
            yield f"{e.credential_id} says {e.claims['eligibilityStatus']}"


# --- meters ----------------------------------------------------------------------------------------------------------


def _is_theirs(meter: MeterFacts, ref: MeterRef, subject_did: str, now: datetime) -> bool:
    """Does the utility's own record know the applicant at this meter today?

    A record without holders says nothing: then only a credential can prove it (see `_required_credentials`).
    """
    holders = [h for h in meter.holders if _is_current(h.since, h.until, now)]
    if not meter.holders:
        return True
    if ref.utility_customer_id and ref.utility_customer_id not in {h.utility_customer_id for h in holders}:
        return False
    named = [h for h in holders if h.subject_did]
    return any(h.subject_did == subject_did for h in named) if named else bool(holders)


def _is_current(since: datetime | None, until: datetime | None, now: datetime) -> bool:
    return (since is None or since <= now) and (until is None or until > now)


def _roles(meter: MeterFacts, subject_did: str, evidence: Sequence[Evidence], now: datetime) -> set[str]:
    roles: set[str] = {
        h.role
        for h in meter.holders
        if _is_current(h.since, h.until, now) and (not h.subject_did or h.subject_did == subject_did)
    }
    for e in evidence:
        if e.type == METER_OWNERSHIP and e.claims.get("meterId") == meter.umid and e.claims.get("ownershipStatus"):
            roles.add(str(e.claims["ownershipStatus"]))
    return roles


def _check(
    criterion: Mapping[str, Any],
    meter: MeterFacts,
    subject_did: str,
    evidence: Sequence[Evidence],
    facts: Facts,
    authority: Authority,
    now: datetime,
) -> Finding:
    kind, parameters = criterion["kind"], criterion.get("parameters") or {}
    if kind == "METER_ROLE":
        roles = _roles(meter, subject_did, evidence, now)
        wanted = set(parameters.get("anyOf", METER_ROLES))
        met, needed, actual = bool(roles & wanted), _one_of(wanted), ", ".join(sorted(roles)) or "unknown"
    elif kind == "SUBJECT_KIND":
        wanted = set(parameters.get("anyOf", ()))
        met, needed, actual = facts.subject_kind in wanted, _one_of(wanted), facts.subject_kind
    elif kind == "MIN_ACR":
        level = str(parameters.get("value", ""))
        met, needed, actual = _acr_at_least(authority.acr, level), f"sign-in level {level}", authority.acr or "none"
    else:
        met, needed, actual = _METER_CHECKS[kind](meter, parameters)
    text = criterion.get("text", "")
    return Finding(kind, meter.umid, Outcome.PASS if met else Outcome.FAIL, text or needed, "" if met else actual, text)


def _acr_at_least(acr: str, level: str) -> bool:
    if acr.isdigit() and level.isdigit():
        return int(acr) >= int(level)
    return acr == level


def _one_of(wanted: Iterable[str]) -> str:
    return " or ".join(sorted(wanted))


_Checked = tuple[bool, str, str]


def _utility(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ())
    return meter.utility_id in wanted, f"a meter of {_one_of(wanted)}", meter.utility_id


def _region(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ())
    return meter.grid_area in wanted, f"a meter in {_one_of(wanted)}", meter.grid_area or "unknown"


def _connection_type(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ())
    return meter.connection_type in wanted, f"a {_one_of(wanted)} connection", meter.connection_type or "unknown"


def _interval_meter(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    return bool(meter.interval_capable), "an interval (smart) meter", "no interval meter"


def _net_meter(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    return bool(meter.net_meter), "a net meter", "no net meter"


def _sanctioned_load(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    low, high, load = p.get("fromKw"), p.get("toKw"), meter.sanctioned_load_kw
    needed = " ".join(
        ["a sanctioned load", *([f"from {low} kW"] if low is not None else []), *([f"up to {high} kW"] if high else [])]
    )
    if load is None:
        return False, needed, "unknown"
    return (low is None or load >= low) and (high is None or load <= high), needed, f"{load} kW"


def _account_standing(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ("GOOD",))
    standing = meter.account_standing or "UNKNOWN"
    return standing in wanted, f"account standing {_one_of(wanted)}", standing


def _from_context(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    raise AssertionError("answered by _check from the subject, the evidence or the proof")


#: Criteria asked of each meter. A kind not listed here or in `DER_CRITERIA` cannot be published.
_METER_CHECKS = {
    "UTILITY": _utility,
    "REGION": _region,
    "CONNECTION_TYPE": _connection_type,
    "METER_ROLE": _from_context,
    "SUBJECT_KIND": _from_context,
    "MIN_ACR": _from_context,
    "INTERVAL_METER": _interval_meter,
    "NET_METER": _net_meter,
    "SANCTIONED_LOAD": _sanctioned_load,
    "ACCOUNT_STANDING": _account_standing,
}
DER_CRITERIA = frozenset({"DER_TYPE", "DER_CERTIFIED"})
#: The closed list of decision 54.
CRITERIA = frozenset(_METER_CHECKS) | DER_CRITERIA


# --- DERs ------------------------------------------------------------------------------------------------------------


def _check_ders(
    terms: Terms,
    facts: Facts,
    ders: Sequence[DerRef],
    evidence: Sequence[Evidence],
    subject_did: str,
    authority: Authority,
    now: datetime,
) -> tuple[list[Finding], Refusal | None]:
    findings: list[Finding] = []
    by_kind = {c["kind"]: c for c in terms.criteria if c["kind"] in DER_CRITERIA}
    needs_certificate = "DER_CERTIFIED" in by_kind or any(
        r["type"] == DER_CERTIFICATION for r in terms.required_credentials
    )
    wanted_types = set((by_kind.get("DER_TYPE", {}).get("parameters") or {}).get("anyOf", ()))
    for ref in ders:
        known = facts.ders.get(ref.der_id)
        is_anothers = known is not None and known.owner_did not in ("", subject_did)
        if needs_certificate:
            # Somebody else's device and one nobody knows get the same words, as with meters.
            problem = _certificate_problem(ref, None if is_anothers else known, evidence, authority, now)
            outcome = Outcome.FAIL if problem else Outcome.PASS
            findings.append(Finding("DER_CERTIFIED", ref.der_id, outcome, "a valid DER certificate", problem))
            if problem:
                return findings, _der_not_certified(ref.der_id, problem)
        if is_anothers:
            return findings, _der_not_certified(ref.der_id, "it is not registered to this customer")
    if wanted_types:
        finding = _der_type_finding(by_kind["DER_TYPE"], wanted_types, facts, ders)
        findings.append(finding)
        if not finding.is_met:
            return findings, not_eligible([finding])
    return findings, None


def _der_type_finding(criterion: Mapping[str, Any], wanted: set[str], facts: Facts, ders: Sequence[DerRef]) -> Finding:
    types = [facts.ders[d.der_id].type if d.der_id in facts.ders else d.type for d in ders]
    is_met = any(t in wanted for t in types)
    needed = criterion.get("text") or f"a device of type {_one_of(wanted)}"
    actual = "" if is_met else (", ".join(sorted(types)) or "none")
    return Finding("DER_TYPE", "", Outcome.PASS if is_met else Outcome.FAIL, needed, actual)


def _certificate_problem(
    ref: DerRef, known: DerFacts | None, evidence: Sequence[Evidence], authority: Authority, now: datetime
) -> str:
    """Why the device's certificate does not do, or "" (decision 36: presented, or the register of a proven subject)."""
    presented = [e for e in evidence if e.type == DER_CERTIFICATION and e.claims.get("derId") == ref.der_id]
    if presented:
        return next((problem for e in presented if (problem := _mismatch(ref, known, e.claims))), "")
    # Whoever only holds a key (a presentation) is a customer of nobody yet: the register itself must name them.
    is_theirs = known is not None and (authority.proven_utility != "" or known.owner_did == authority.proven_subject)
    if known is None or not authority.is_proven or not is_theirs:
        return "no certificate was presented"
    valid = [c for c in known.certificates if _is_current(c.valid_from, c.valid_until, now)]
    if not valid:
        return "its certificate has expired" if known.certificates else "no certificate is registered"
    capacity_kw = max((c.capacity_kw or 0.0 for c in valid), default=0.0)
    if ref.declared_kw is not None and capacity_kw and ref.declared_kw > capacity_kw:
        return f"it is certified for {capacity_kw} kW, not {ref.declared_kw} kW"
    if ref.declared_kwh is not None and known.energy_kwh is not None and ref.declared_kwh > known.energy_kwh:
        return f"it is registered with {known.energy_kwh} kWh, not {ref.declared_kwh} kWh"
    return ""


def _mismatch(ref: DerRef, known: DerFacts | None, claims: Mapping[str, Any]) -> str:
    """What the certificate says otherwise than the application: the type, or less capacity."""
    stated = [str(claims.get(key)) for key in ("derType", "generationType")]
    certified_type = next((t for t in stated if t in _DER_TYPES), None)
    actual_type = known.type if known is not None and known.type in _DER_TYPES else ref.type
    if certified_type is not None and actual_type in _DER_TYPES and certified_type != actual_type:
        return f"it is certified as {certified_type}, not {actual_type}"
    certified_kw, certified_kwh = certified_capacity(claims)
    if ref.declared_kw is not None and certified_kw is not None and ref.declared_kw > certified_kw:
        return f"it is certified for {certified_kw} kW, not {ref.declared_kw} kW"
    if ref.declared_kwh is not None and certified_kwh is not None and ref.declared_kwh > certified_kwh:
        return f"it is certified for {certified_kwh} kWh, not {ref.declared_kwh} kWh"
    return ""


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


# --- required credentials --------------------------------------------------------------------------------------------


def _required_credentials(
    terms: Terms,
    facts: Facts,
    umids: Sequence[str],
    ders: Sequence[DerRef],
    evidence: Sequence[Evidence],
    subject_did: str,
    authority: Authority,
    now: datetime,
) -> tuple[tuple[MissingCredential, ...], dict[str, str]]:
    """What is still missing, and where each provided one came from: `{type: CREDENTIAL|UTILITY}` (decision 36)."""
    missing: list[MissingCredential] = []
    sources: dict[str, str] = {}
    required = [str(r["type"]) for r in terms.required_credentials]
    # Ownership is needed for every program: without it anyone could enrol a neighbour's meter (rule R-P1.5).
    for umid in umids:
        source = _ownership_source(umid, facts, evidence, subject_did, authority, now)
        if source:
            sources.setdefault(METER_OWNERSHIP, source)
        else:
            missing.append(MissingCredential(METER_OWNERSHIP, umid))
    if PROGRAM_ELIGIBILITY in required:
        stated = [e.claims.get("eligibilityStatus") for e in evidence if e.type == PROGRAM_ELIGIBILITY]
        if "ELIGIBLE" in stated:
            sources[PROGRAM_ELIGIBILITY] = "CREDENTIAL"
        elif not stated and authority.is_proven:
            sources[PROGRAM_ELIGIBILITY] = "UTILITY"  # our own evaluation, all of whose facts came from the utility
        else:
            missing.append(MissingCredential(PROGRAM_ELIGIBILITY))
    if DER_CERTIFICATION in required and ders:
        presented = any(e.type == DER_CERTIFICATION for e in evidence)
        sources[DER_CERTIFICATION] = "CREDENTIAL" if presented else "UTILITY"  # its absence was refused before
    return tuple(missing), sources


def _ownership_source(
    umid: str, facts: Facts, evidence: Sequence[Evidence], subject_did: str, authority: Authority, now: datetime
) -> str:
    if any(e.type == METER_OWNERSHIP and e.claims.get("meterId") == umid for e in evidence):
        return "CREDENTIAL"
    meter = facts.meters[umid]
    is_holder = any(h.subject_did == subject_did and _is_current(h.since, h.until, now) for h in meter.holders)
    is_proven_here = authority.is_proven and authority.proven_utility in ("", meter.utility_id)
    return "UTILITY" if is_proven_here and is_holder else ""


def proven_meters(evidence: Iterable[Evidence], decision: Decision) -> frozenset[str]:
    """UMIDs whose ownership is proven, for the wire's `credentialVerified` flag."""
    unproven = {m.target for m in decision.missing if m.type == METER_OWNERSHIP}
    return frozenset(umid for umid in decision.enrolled if umid not in unproven)
