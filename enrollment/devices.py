"""A device's place in a program: whose it is, of which type, and how it is certified (decisions 36, 61). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, DerRef
from enrollment.criteria import DER_CRITERIA
from enrollment.facts import (
    DER_CERTIFICATION,
    Evidence,
    Facts,
    Finding,
    Outcome,
    Terms,
    is_current,
    not_eligible,
    one_of,
)
from utility_systems.ports import DerFacts, DerType

_DER_TYPES = frozenset(DerType.__members__)


def check_devices(
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
    needed = criterion.get("text") or f"a device of type {one_of(wanted)}"
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
    valid = [c for c in known.certificates if is_current(c.valid_from, c.valid_until, now)]
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


def _der_not_certified(der_id: str, reason: str, kind: str = "INTERCONNECTION") -> Refusal:
    return Refusal(
        Code.DER_NOT_CERTIFIED,
        f"The device {der_id} has no certificate that the program accepts: {reason}.",
        field="ders",
        details={"der_id": der_id, "reason": reason, "required": {"kind": kind}},
    )
