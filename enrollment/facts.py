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


def is_current(since: datetime | None, until: datetime | None, now: datetime) -> bool:
    return (since is None or since <= now) and (until is None or until > now)


def one_of(wanted: Iterable[str]) -> str:
    return " or ".join(sorted(wanted))
