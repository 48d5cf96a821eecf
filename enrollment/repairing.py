"""An update RESUME: a new certificate in place of one that stopped holding, and the enrolment goes on (R-P6.6).

Checked like at init: proof, issuer, device, capacity, meter; for every device whose certificate does not hold.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from audit.log import Actor
from credentials import presented, verification
from enrollment import catalog, certificates, ending, frozen, orders
from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, DerRef, MeterRef, RepairEnrollment
from enrollment.confirming import find_case, refuse_unknown
from enrollment.devices import certificate_claims, check_devices
from enrollment.eligibility import content_checked
from enrollment.facts import DER_CERTIFICATION, Evidence, Facts, credential_refusal
from enrollment.gathering import as_evidence, ask_utilities
from enrollment.models import Enrollment, EnrollmentCase, ReliedCertificate
from enrollment.results import AlsoWrite, Result, Snapshot
from enrollment.states import EnrollmentState
from utility_systems.models import Der
from utility_systems.ports import UtilityUnavailable


def repair(command: RepairEnrollment, *, actor: Actor, now: datetime, also_write: AlsoWrite) -> Result:
    """Take new certificates for a suspended enrolment's devices and resume it, or say what is still wrong."""
    case = find_case(command.order)
    enrollment = _suspended(case) if case is not None else None
    if case is None:
        return refuse_unknown(command.order.bap_id, command.order.order_id, actor, now, also_write)
    also_write = ending.telling_the_bap_of_record(case, command.order, also_write)
    if enrollment is None:
        return _refuse(case, _nothing_to_repair(case), command, actor, now, also_write)
    if case.is_frozen:
        return _refuse(case, frozen.refusal(), command, actor, now, also_write)
    items = [verification.Presented(c.credential_id, c.type, c.format, c.data, c.der_id) for c in command.credentials]
    verdicts = verification.verify_presented(items, subject_did=enrollment.subject.did, now=now)
    evidence = tuple(as_evidence(v, c) for v, c in zip(verdicts, command.credentials, strict=True))
    rows = list(_failing(enrollment))
    try:
        facts = _facts(enrollment, rows, evidence, now)
    except UtilityUnavailable:
        return _refuse(case, _try_later(), command, actor, now, also_write)
    refusal = _problem(enrollment, rows, facts, now)
    if refusal is not None:
        return _refuse(case, refusal, command, actor, now, also_write)
    with transaction.atomic():
        case, locked = ending.locked_enrollment(case)
        if locked is None or _suspended(case) is None:
            return ending.refused(case, _nothing_to_repair(case), actor, now, also_write, command.order.transaction_id)
        for row in rows:
            shown = next(n for n, e in enumerate(facts.evidence) if certificate_claims([e], row.der_id))
            new = ReliedCertificate(
                source="CREDENTIAL",
                credential_id=facts.evidence[shown].credential_id[:500],
                status=verdicts[shown].status_entry,
                valid_until=facts.evidence[shown].valid_until,
            )
            certificates.replace(row, new, actor, now)
        presented.remember(items, verdicts, now=now)
        ending.resume(locked, actor, now)
        result = Snapshot(orders.of_rows(case, locked, transaction_id=command.order.transaction_id), now)
        also_write(result)
    return result


def _suspended(case: EnrollmentCase) -> Enrollment | None:
    """The order's enrolment, where a certificate has suspended it."""
    row = Enrollment.objects.select_related("subject", "program_version__program").filter(case=case).first()
    is_ours = row is not None and row.suspension_reason.startswith(certificates.SUSPENDED_FOR)
    return row if row is not None and is_ours and row.state == EnrollmentState.SUSPENDED else None


def _failing(enrollment: Enrollment) -> list[ReliedCertificate]:
    rows = ReliedCertificate.objects.filter(enrollment=enrollment, replaced_at=None).exclude(failed_reason="")
    return list(rows.select_related("enrollment").order_by("pk"))


def _facts(
    enrollment: Enrollment, rows: list[ReliedCertificate], evidence: tuple[Evidence, ...], now: datetime
) -> Facts:
    """What the utilities say of the devices and their meters now. Raises UtilityUnavailable."""
    meters = enrollment.meters.values_list("umid", "meter__utility_id")
    version = enrollment.program_version
    return ask_utilities(
        [MeterRef(umid, utility_id) for umid, utility_id in meters],
        _devices(rows),
        evidence,
        utilities=version.utilities,
        now=now,
        criteria=version.criteria,
    )


def _devices(rows: list[ReliedCertificate]) -> list[DerRef]:
    """The devices as they were enrolled: what was declared is no longer kept, what is known of them is."""
    known = {der.der_id: der for der in Der.objects.filter(der_id__in=[row.der_id for row in rows])}
    refs = [DerRef(row.der_id) for row in rows]
    return [
        replace(ref, type=known[ref.der_id].type, capacity_value=known[ref.der_id].rated_kw, capacity_unit="kW")
        if ref.der_id in known
        else ref
        for ref in refs
    ]


def _problem(enrollment: Enrollment, rows: list[ReliedCertificate], facts: Facts, now: datetime) -> Refusal | None:
    """What is still wrong with what was presented, checked as at init."""
    terms, refs = catalog.terms(enrollment.program_version), _devices(rows)
    meters = [MeterRef(umid) for umid in facts.meters]
    evidence = tuple(content_checked(e, terms, facts, meters, refs, now) for e in facts.evidence)
    failed = next((e for e in evidence if not e.is_verified), None)
    if failed is not None:
        return credential_refusal(failed)
    needed = replace(terms, required_credentials=({"type": DER_CERTIFICATION},))
    return check_devices(needed, facts, refs, evidence, enrollment.subject.did or "", Authority(""), now).refusal


def _refuse(
    case: EnrollmentCase,
    refusal: Refusal,
    command: RepairEnrollment,
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
) -> Result:
    with transaction.atomic():
        return ending.refused(case, refusal, actor, now, also_write, command.order.transaction_id)


def _nothing_to_repair(case: EnrollmentCase) -> Refusal:
    return Refusal(
        Code.NOT_POSSIBLE_NOW,
        "No certificate has suspended this enrollment: there is nothing to resume.",
        field="order",
        details={"state": Enrollment.objects.filter(case=case).values_list("state", flat=True).first() or case.state},
    )


def _try_later() -> Refusal:
    return Refusal(
        Code.UTILITY_UNAVAILABLE,
        "The utility does not answer at the moment. Nothing was decided: send the update again later.",
        details={"retry_after": 300},
    )
