"""Which device certificates an enrolment stands on, written with it, so that they can be looked at again (R-P6.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from enrollment.commands import DerRef
from enrollment.devices import certificate_claims
from enrollment.facts import DER_CERTIFICATION, Decision, Evidence, Facts
from enrollment.models import Enrollment, ReliedCertificate
from utility_systems.ports import CertificateKind, DerFacts


@dataclass(frozen=True)
class Certificate:
    """One certificate that counted; `status` is what a later check of it needs, None where it names none."""

    der_id: str
    source: str
    credential_id: str = ""
    status: Mapping[str, Any] | None = None
    valid_until: datetime | None = None


def certificates_of(
    ders: Sequence[DerRef], facts: Facts, decision: Decision, status_entries: Sequence[Mapping[str, Any] | None]
) -> Iterable[Certificate]:
    """The certificate of each device: the one presented, the reviewed file, or the register's where one was needed.

    `status_entries` are those of `facts.evidence`, in the same order.
    """
    for ref in ders:
        presented = [
            (evidence, status)
            for evidence, status in zip(facts.evidence, status_entries, strict=True)
            if evidence.type == DER_CERTIFICATION and certificate_claims([evidence], ref.der_id)
        ]
        if presented:
            yield from (_presented(ref, evidence, status) for evidence, status in presented)
        elif file := next((d for d in facts.documents if d.der_id == ref.der_id and d.state == "APPROVED"), None):
            yield Certificate(ref.der_id, "DOCUMENT", file.document_id, None, file.valid_until)
        elif DER_CERTIFICATION in decision.sources and ref.der_id in facts.ders:
            yield Certificate(ref.der_id, "UTILITY", valid_until=registered_until(facts.ders[ref.der_id]))


def _presented(ref: DerRef, evidence: Evidence, status: Mapping[str, Any] | None) -> Certificate:
    return Certificate(ref.der_id, "CREDENTIAL", evidence.credential_id[:500], status, evidence.valid_until)


def registered_until(der: DerFacts) -> datetime | None:
    """Until when the register's approval of a device holds; None for no end."""
    ends = [c.valid_until for c in der.certificates if c.kind == CertificateKind.INTERCONNECTION]
    return max((end for end in ends if end is not None), default=None) if None not in ends else None


def rely(enrollment: Enrollment, certificates: Iterable[Certificate], now: datetime) -> None:
    """Write down what the enrolment stands on. Caller's transaction."""
    rows = [
        ReliedCertificate(
            enrollment=enrollment,
            der_id=c.der_id[:200],
            source=c.source,
            credential_id=c.credential_id,
            status=c.status,
            valid_until=c.valid_until,
            relied_since=now,
            checked_at=now,
        )
        for c in certificates
    ]
    if rows:
        ReliedCertificate.objects.bulk_create(rows)
