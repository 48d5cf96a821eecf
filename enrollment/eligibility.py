"""May this subject join this program with these meters and DERs? Pure rules over gathered facts.

`evaluate` asks nobody and writes nothing: the services hand in what the utility and the credentials said, and the
same function answers init, confirm, and (later) the meter-program matrix. One finding per criterion and target.

Source: onboarding guide 8 and 18, spec personas 1, decisions 36, 38, 54, 61.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, DerRef, MeterRef
from enrollment.criteria import check, is_asked_of_meters
from enrollment.devices import check_devices, listed_devices
from enrollment.facts import (
    DER_CERTIFICATION,
    METER_OWNERSHIP,
    PROGRAM_ELIGIBILITY,
    Decision,
    Evidence,
    Facts,
    Finding,
    MissingCredential,
    RefusedMeter,
    Terms,
    credential_refusal,
    is_current,
    meter_not_found,
    not_eligible,
)
from utility_systems.ports import MeterFacts


def evaluate(
    terms: Terms,
    facts: Facts,
    meters: Sequence[MeterRef],
    ders: Sequence[DerRef],
    *,
    subject_did: str,
    authority: Authority,
    now: datetime,
    ends_at: datetime | None = None,
) -> Decision:
    """Decide which of `meters` may join the program, or why none may.

    Order of the checks: presented credentials (proof and content), meters and DERs at the utility, certificates,
    criteria, required credentials. Reports the first refusal that stops everything; with several meters, one that
    fails is named in `refused` and the others go on (unless the program is all or nothing).
    """
    evidence = tuple(content_checked(e, terms, facts, meters, ders, now) for e in facts.evidence)
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
            check(criterion, meter, subject_did, evidence, facts, authority, now)
            for criterion in terms.criteria
            if is_asked_of_meters(criterion)
        ]
        findings += of_meter
        not_met = [f for f in of_meter if not f.is_met]
        if not_met:
            is_proven = _ownership_source(ref.umid, facts, evidence, subject_did, authority, now) != ""
            # What the utility knows of a meter is told to whoever has shown that it is theirs.
            refused[ref.umid] = not_eligible(not_met if is_proven else [replace(f, actual="") for f in not_met])

    devices = check_devices(terms, facts, ders, evidence, subject_did, authority, now, ends_at)
    findings += devices.findings
    if devices.refusal is not None:
        # A file instead of a certificate is asked of those who have shown that every meter is theirs.
        is_theirs = not refused and all(
            _ownership_source(ref.umid, facts, evidence, subject_did, authority, now) for ref in meters
        )
        documents_for = devices.documents_for if is_theirs else ()
        return Decision(refusal=devices.refusal, findings=tuple(findings), documents_for=documents_for)

    enrolled = tuple(ref.umid for ref in meters if ref.umid not in refused)
    as_refused = tuple(RefusedMeter(umid, refusal) for umid, refusal in refused.items())
    if not enrolled or (terms.is_all_or_nothing and refused):
        return Decision(refused=as_refused, refusal=as_refused[0].refusal, findings=tuple(findings))

    missing, sources = _required_credentials(terms, facts, enrolled, evidence, subject_did, authority, now)
    if devices.sources:
        sources[DER_CERTIFICATION] = next(s for s in ("CREDENTIAL", "DOCUMENT", "UTILITY") if s in devices.sources)
    return Decision(
        enrolled=enrolled,
        refused=as_refused,
        findings=tuple(findings),
        missing=missing,
        sources=sources,
        warnings=(*_warnings(evidence), *devices.warnings),
        reviews=devices.reviews,
        questions=devices.questions,
        certified_until=devices.certified_until,
    )


# --- presented credentials: does the content belong to this order? ---------------------------------------------------


def content_checked(
    evidence: Evidence, terms: Terms, facts: Facts, meters: Sequence[MeterRef], ders: Sequence[DerRef], now: datetime
) -> Evidence:
    """The evidence with the reason why its content does not belong to this order, where it does not."""
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
        listed = set(listed_devices(claims))
        if (
            not listed & {d.der_id for d in ders}
            or (evidence.der_id and evidence.der_id not in listed)
            or (facts.meters and not any(_is_of_utility(evidence, each) for each in _utilities(terms, facts)))
        ):
            reason = "WRONG_DER"
        else:
            reason = _dates_reason(claims, now)
    return replace(evidence, reason=reason) if reason else evidence


def _utilities(terms: Terms, facts: Facts) -> set[str]:
    """Whose devices the order may name: those of its meters' utilities, and of the program's other ones."""
    return {m.utility_id for m in facts.meters.values()} | set(terms.secondary_utilities)


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
    holders = [h for h in meter.holders if is_current(h.since, h.until, now)]
    if not meter.holders:
        return True
    if ref.utility_customer_id and ref.utility_customer_id not in {h.utility_customer_id for h in holders}:
        return False
    named = [h for h in holders if h.subject_did]
    return any(h.subject_did == subject_did for h in named) if named else bool(holders)


# --- required credentials --------------------------------------------------------------------------------------------


def _required_credentials(
    terms: Terms,
    facts: Facts,
    umids: Sequence[str],
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
    return tuple(missing), sources


def _ownership_source(
    umid: str, facts: Facts, evidence: Sequence[Evidence], subject_did: str, authority: Authority, now: datetime
) -> str:
    if any(e.type == METER_OWNERSHIP and e.claims.get("meterId") == umid for e in evidence):
        return "CREDENTIAL"
    meter = facts.meters[umid]
    is_holder = any(h.subject_did == subject_did and is_current(h.since, h.until, now) for h in meter.holders)
    return "UTILITY" if authority.is_proven_at(meter.utility_id) and is_holder else ""


def proven_meters(evidence: Iterable[Evidence], decision: Decision) -> frozenset[str]:
    """UMIDs whose ownership is proven, for the wire's `credentialVerified` flag."""
    unproven = {m.target for m in decision.missing if m.type == METER_OWNERSHIP}
    return frozenset(umid for umid in decision.enrolled if umid not in unproven)
