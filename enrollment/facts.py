"""What the rules of eligibility read and say: facts, presented evidence, findings, decisions, refusals. Pure values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from enrollment.codes import Code, Refusal
from utility_systems.ports import DerFacts, MeterFacts

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
    valid_until: datetime | None = None

    @property
    def is_verified(self) -> bool:
        return self.reason == ""


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
    "generationType",
    "commissioningDate",
    "meterNumber",
    "ders",
)

#: How the reasons of a credential's check are told of a device's certificate (personas 6). What is not here is a bad
#: proof, and is answered as one.
DER_REASONS: Mapping[str, str] = {
    "EXPIRED": "EXPIRED",
    "REVOKED": "REVOKED",
    "WRONG_DER": "WRONG_DER",
    "UNTRUSTED_ISSUER": "UNTRUSTED_ISSUER",
    "TYPE_NOT_ALLOWED_FOR_ISSUER": "UNTRUSTED_ISSUER",
}


@dataclass(frozen=True)
class Terms:
    """What a program version asks for, as the pure rules read it."""

    program_id: str
    criteria: tuple[Mapping[str, Any], ...] = ()
    required_credentials: tuple[Mapping[str, Any], ...] = ()
    is_all_or_nothing: bool = False
    documents: tuple[Mapping[str, Any], ...] = ()
    secondary_utilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class DocumentFact:
    """A file that stands in for a device's certificate, as far as its review got (enrollment.models.Document).

    `state` is UPLOADED (two persons have yet to look), APPROVED or REFUSED; `capacity_kw` what the reviewers read;
    `is_final`: refused, and no other file may take its place.
    """

    document_id: str
    der_id: str
    state: str
    capacity_kw: float | None = None
    valid_until: datetime | None = None
    reason: str = ""
    is_final: bool = False


@dataclass(frozen=True)
class Facts:
    """What utilities said, by UMID and DER id, what presented credentials proved, and files in their place."""

    meters: Mapping[str, MeterFacts]
    ders: Mapping[str, DerFacts]
    evidence: tuple[Evidence, ...]
    subject_kind: str = "PERSON"
    documents: tuple[DocumentFact, ...] = ()


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
class PendingReview:
    """A file that two persons are still looking at: the application waits for them (IN_REVIEW)."""

    document_id: str
    der_id: str


@dataclass(frozen=True)
class Question:
    """Something the applicant has to say before the rules can go on; `kind` is DER_CAPACITY_KW (decision 61)."""

    kind: str
    target: str


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
    reviews: tuple[PendingReview, ...] = ()
    questions: tuple[Question, ...] = ()
    certified_until: datetime | None = None  # the earliest end of the devices' certificates
    documents_for: tuple[str, ...] = ()  # DERs whose missing certificate a reviewed file may stand in for


def credential_refusal(evidence: Evidence) -> Refusal:
    """The guide's 18.5 error for one credential that did not hold; a device's certificate has its own (personas 6)."""
    if evidence.type == DER_CERTIFICATION and evidence.reason in DER_REASONS:
        return der_not_certified(
            evidence.der_id or str(evidence.claims.get("derId", "")),
            DER_REASONS[evidence.reason],
            REASON_SENTENCES[evidence.reason],
            field=f"credentials[{evidence.position}]",
            credential_id=evidence.credential_id,
            reason_code=evidence.reason,
        )
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


def der_not_certified(der_id: str, reason: str, sentence: str, *, field: str = "ders", **details: Any) -> Refusal:
    """DER_NOT_CERTIFIED. `reason` is MISSING, EXPIRED, REVOKED, CAPACITY_MISMATCH, WRONG_DER or UNTRUSTED_ISSUER."""
    return Refusal(
        Code.DER_NOT_CERTIFIED,
        f"The device {der_id} has no certificate that the program accepts: {sentence[:1].lower()}{sentence[1:]}.",
        field=field,
        details={"der_id": der_id, "reason": reason, "required": {"kind": "INTERCONNECTION"}, **details},
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


def is_current(since: datetime | None, until: datetime | None, now: datetime) -> bool:
    return (since is None or since <= now) and (until is None or until > now)


def one_of(wanted: Iterable[str]) -> str:
    return " or ".join(sorted(wanted))
