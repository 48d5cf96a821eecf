"""What the specifications call the things that can be wrong with a credential: RFC 9457 problem types. Pure.

Source: VCDM 2.0 7.1 (problem details), Bitstring Status List 3.5, VC Data Integrity 4.7, Controlled Identifiers 3.5.
"""

from __future__ import annotations

from dataclasses import dataclass

from credentials.reasons import Disbelieved, Reason

_DATA_MODEL = "https://www.w3.org/TR/vc-data-model#"
_STATUS_LIST = "https://www.w3.org/ns/credentials/status-list#"
_SECURITY = "https://w3id.org/security#"

PARSING = f"{_DATA_MODEL}PARSING_ERROR"
CRYPTOGRAPHIC_SECURITY = f"{_DATA_MODEL}CRYPTOGRAPHIC_SECURITY_ERROR"
MALFORMED_VALUE = f"{_DATA_MODEL}MALFORMED_VALUE_ERROR"
RANGE = f"{_DATA_MODEL}RANGE_ERROR"
STATUS_RETRIEVAL = f"{_STATUS_LIST}STATUS_RETRIEVAL_ERROR"
STATUS_VERIFICATION = f"{_STATUS_LIST}STATUS_VERIFICATION_ERROR"
STATUS_LIST_LENGTH = f"{_STATUS_LIST}STATUS_LIST_LENGTH_ERROR"
PROOF_VERIFICATION = f"{_SECURITY}PROOF_VERIFICATION_ERROR"
PROOF_TRANSFORMATION = f"{_SECURITY}PROOF_TRANSFORMATION_ERROR"
INVALID_DOMAIN = f"{_SECURITY}INVALID_DOMAIN_ERROR"
INVALID_CHALLENGE = f"{_SECURITY}INVALID_CHALLENGE_ERROR"
INVALID_VERIFICATION_METHOD = f"{_SECURITY}INVALID_VERIFICATION_METHOD"

_BY_REASON = {
    Reason.MALFORMED: MALFORMED_VALUE,
    Reason.BAD_SIGNATURE: CRYPTOGRAPHIC_SECURITY,
    Reason.ALG_NOT_ALLOWED: CRYPTOGRAPHIC_SECURITY,
    Reason.UNKNOWN_KEY: INVALID_VERIFICATION_METHOD,
    Reason.EXPIRED: RANGE,
    Reason.NOT_YET_VALID: RANGE,
    Reason.STATUS_UNAVAILABLE: STATUS_RETRIEVAL,
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the type's URL, a short title that never changes, a sentence about this case."""

    type: str
    title: str
    detail: str

    def as_json(self) -> dict[str, str]:
        return {"type": self.type, "title": self.title, "detail": self.detail}


def problem_of(failed: Disbelieved, *, own_types: str) -> Problem:
    """Return the problem; what no specification has a type for gets one of ours, `<own_types>#<reason>`."""
    known = failed.problem or _BY_REASON.get(failed.reason, "")
    kind = known or f"{own_types}#{failed.reason}"
    return Problem(kind, kind.rpartition("#")[2], failed.detail)
