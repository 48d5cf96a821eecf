"""Asking the outside what is true: utilities and issuers. No transaction is open here, and nothing is written."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from credentials import verification
from enrollment.commands import DerRef, MeterRef, PresentedCredential
from enrollment.devices import certificate_claims, certified_capacity, minimum_source
from enrollment.facts import DER_CERTIFICATION, KEPT_CLAIMS, Decision, Evidence, Facts
from identity.models import Subject
from utility_systems import der_sources, records, registry
from utility_systems.ports import Certificate, DerFacts, MeterFacts, UtilityUnavailable, der_type

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gathered:
    """What came back: facts for the rules, and the verdicts as the credentials package gave them (same order)."""

    facts: Facts
    verdicts: tuple[verification.Verdict, ...] = ()
    presented: tuple[verification.Presented, ...] = ()


def gather(
    meters: Sequence[MeterRef],
    ders: Sequence[DerRef],
    credentials: Sequence[PresentedCredential],
    *,
    utilities: Sequence[str],
    subject_did: str,
    now: datetime,
    criteria: Sequence[Mapping[str, Any]] = (),
    secondary: Sequence[str] = (),
) -> Gathered:
    """Check the presented credentials, then ask the utilities for the meters and DERs.

    `utilities` are those of the program: asked for meters whose utility the applicant did not name; `criteria` its
    own, which say whether a device's maker has to be heard.
    A credential that fails ends the matter, so the utilities are not asked then. Raises UtilityUnavailable, also
    where an issuer cannot be asked about its credential: that is not the applicant's fault (decision 40). An unknown
    utility simply knows no meter.
    """
    presented = tuple(verification.Presented(c.credential_id, c.type, c.format, c.data, c.der_id) for c in credentials)
    verdicts = verification.verify_presented(presented, subject_did=subject_did, now=now)
    for verdict in verdicts:
        if not verdict.ok:
            logger.info(
                "a presented credential was refused",
                extra={"reason": verdict.reason, "detail": verdict.detail, "issuer": verdict.issuer},
            )
    evidence = tuple(as_evidence(verdict, asked) for verdict, asked in zip(verdicts, credentials, strict=True))
    failed = [verdict for verdict in verdicts if not verdict.ok]
    if failed and all(verdict.retryable for verdict in failed):
        raise issuer_unavailable(failed[0].claims.get("utilityId") or failed[0].issuer)
    if failed:
        return Gathered(Facts(meters={}, ders={}, evidence=evidence), tuple(verdicts), presented)
    facts = ask_utilities(meters, ders, evidence, utilities=utilities, now=now, criteria=criteria, secondary=secondary)
    return Gathered(facts, tuple(verdicts), presented)


def unverifiable_hints(existing: Sequence[PresentedCredential], *, subject_did: str, now: datetime) -> tuple[str, ...]:
    """A sentence for each enrolment the applicant says to have that could not be verified (decision 3).

    They are hints: our own records decide, and one that fails is never a pass or a block.
    """
    hints = [verification.Presented(c.credential_id, c.type, c.format, c.data) for c in existing]
    return tuple(
        f"The existing enrollment {verdict.credential_id} could not be verified ({verdict.reason}) and does not count."
        for verdict in verification.verify_presented(hints, subject_did=subject_did, now=now, wait_seconds=3.0)
        if not verdict.ok
    )


def with_subject_kind(facts: Facts, criteria: Iterable[Mapping[str, Any]], subject_did: str) -> Facts:
    """Whether the subject is a person or an organisation, looked up only where the program asks."""
    if not any(criterion["kind"] == "SUBJECT_KIND" for criterion in criteria):
        return facts
    kind = Subject.objects.filter(did=subject_did).values_list("kind", flat=True).first()
    return replace(facts, subject_kind=kind or facts.subject_kind)


def too_old_to_refuse(decision: Decision, facts: Facts) -> UtilityUnavailable | None:
    """An outage in place of a refusal that rests on facts which may have changed since; None where none is stale."""
    stale = next((each for each in facts.meters.values() if each.is_stale), None)
    if decision.refusal is None or decision.is_refused_by_proofs or stale is None:
        return None
    return UtilityUnavailable(stale.utility_id, "files", reason=f"facts of {stale.as_of:%Y-%m-%d} refuse nobody")


def issuer_unavailable(issuer: object) -> UtilityUnavailable:
    """The issuer's key or status list is not to be had now: it is asked again like a utility that is down."""
    return UtilityUnavailable(str(issuer)[:200], "credentials")


def utilities_asked(meters: Sequence[MeterRef], utilities: Sequence[str]) -> tuple[str, ...]:
    """Every utility that will be asked for these meters or their DERs, configured or not: whom the sender speaks to."""
    anywhere = tuple(utilities) or registry.utility_ids()
    asked = {utility_id for m in meters for utility_id in ((m.utility_id,) if m.utility_id else anywhere)}
    return tuple(sorted(asked)) or anywhere


def ask_utilities(
    meters: Sequence[MeterRef],
    ders: Sequence[DerRef],
    evidence: tuple[Evidence, ...],
    *,
    utilities: Sequence[str],
    now: datetime,
    criteria: Sequence[Mapping[str, Any]] = (),
    secondary: Sequence[str] = (),
) -> Facts:
    """Meters and DERs as utilities know them, and devices that only makers know. Raises UtilityUnavailable."""
    known_meters: dict[str, MeterFacts] = {}
    for utility_id, umids in _by_utility(meters, utilities).items():
        for meter in registry.adapter_for(utility_id).meters(umids):
            known_meters.setdefault(meter.umid, meter)
    if any(e.type == DER_CERTIFICATION and "meterNumber" in e.claims for e in evidence):
        known_meters = _with_earlier_numbers(known_meters)
    known_ders: dict[str, DerFacts] = {}
    if ders:
        for utility_id in (*_der_utilities(meters, known_meters, utilities), *secondary):
            for der in registry.adapter_for(utility_id).ders([d.der_id for d in ders]):
                known_ders.setdefault(der.der_id, der)
    unknown = [d.der_id for d in ders if d.der_id not in known_ders]
    known_ders |= der_sources.known_to_makers(unknown, must_answer=minimum_source(criteria) != "")
    return Facts(meters=known_meters, ders=_with_declared(known_ders, ders, evidence, now), evidence=evidence)


def _with_earlier_numbers(meters: Mapping[str, MeterFacts]) -> dict[str, MeterFacts]:
    """The meters with the numbers we remember besides those the utility tells: certificates name the old ones."""
    before = records.numbers_of(meters)
    return {
        umid: replace(meter, earlier_numbers=(*meter.earlier_numbers, *before.get(umid, ())))
        for umid, meter in meters.items()
    }


def _by_utility(meters: Sequence[MeterRef], utilities: Sequence[str]) -> Mapping[str, list[str]]:
    configured = registry.utility_ids()
    asked: dict[str, list[str]] = defaultdict(list)
    for meter in meters:
        for utility_id in [meter.utility_id] if meter.utility_id else (utilities or configured):
            if utility_id in configured and meter.umid not in asked[utility_id]:
                asked[utility_id].append(meter.umid)
    return {utility_id: umids for utility_id, umids in asked.items() if umids}


def _der_utilities(
    meters: Sequence[MeterRef], known: Mapping[str, MeterFacts], utilities: Sequence[str]
) -> Iterable[str]:
    of_meters = {m.utility_id for m in known.values()} or {m.utility_id for m in meters if m.utility_id}
    configured = registry.utility_ids()
    return [u for u in (sorted(of_meters) or utilities) if u in configured]


def _with_declared(
    known: Mapping[str, DerFacts], ders: Sequence[DerRef], evidence: Sequence[Evidence], now: datetime
) -> dict[str, DerFacts]:
    """The register's DERs with what certificates add (kW of a battery, decision 61), and those only declared."""
    result: dict[str, DerFacts] = {}
    declared = [ref.der_id for ref in ders if ref.der_id not in known]
    # Another utility may have told us of it: whoever declares a neighbour's device does not make it theirs.
    owners = records.owners_of(declared, at=now) if declared else {}
    for ref in ders:
        claims = next(iter(certificate_claims(evidence, ref.der_id)), {})
        kw, kwh = certified_capacity(claims)
        der = known.get(ref.der_id) or DerFacts(
            der_id=ref.der_id,
            type=der_type(ref.type or "UNKNOWN"),
            rated_kw=ref.declared_kw,
            energy_kwh=ref.declared_kwh,
            manufacturer="",
            model="",
            serial_digest="",
            commissioned_on=None,
            umid="",
            bidirectional=False,
            owner_did=owners.get(ref.der_id, ""),
            certificates=tuple[Certificate](),
            as_of=now,
            is_registered=False,
            source="DECLARED",
        )
        result[ref.der_id] = replace(
            der,
            rated_kw=der.rated_kw if der.rated_kw is not None else kw,
            energy_kwh=der.energy_kwh if der.energy_kwh is not None else kwh,
        )
    return result


def as_evidence(verdict: verification.Verdict, asked: PresentedCredential) -> Evidence:
    claims: Mapping[str, Any] = verdict.claims or {}
    return Evidence(
        credential_id=verdict.credential_id,
        type=verdict.type,
        reason=verdict.reason,
        claims={key: claims[key] for key in KEPT_CLAIMS if key in claims},
        der_id=asked.der_id,
        position=asked.position,
        trusted_utilities=verdict.trusted_utilities,
        valid_until=verdict.valid_until,
    )
