"""Why a request is refused: the one enumeration of refusal codes and the value that carries one.

The spellings on the wire belong to the profiles. Source: spec domain 6, decisions 13, 38, 39.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    METER_NOT_FOUND = "METER_NOT_FOUND"
    NO_METER = "NO_METER"
    DER_NOT_CERTIFIED = "DER_NOT_CERTIFIED"
    CONSENT_REQUIRED = "CONSENT_REQUIRED"
    CROSS_UTILITY_CONSENT_REQUIRED = "CROSS_UTILITY_CONSENT_REQUIRED"
    PROGRAM_NOT_AVAILABLE = "PROGRAM_NOT_AVAILABLE"
    CAPACITY_FULL = "CAPACITY_FULL"
    EA_NOT_CERTIFIED = "EA_NOT_CERTIFIED"
    MANDATE_REQUIRED = "MANDATE_REQUIRED"
    ENROLLMENT_CONFLICT = "ENROLLMENT_CONFLICT"
    DUPLICATE = "DUPLICATE"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"
    DATES_INVALID = "DATES_INVALID"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    CONSENT_NOT_FOUND = "CONSENT_NOT_FOUND"
    UPDATE_NOT_SUPPORTED = "UPDATE_NOT_SUPPORTED"
    NOT_POSSIBLE_NOW = "NOT_POSSIBLE_NOW"
    AUTH_REQUIRED = "AUTH_REQUIRED"
    CREDENTIAL_VERIFICATION_FAILED = "CREDENTIAL_VERIFICATION_FAILED"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a code, no secret
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a code, no secret
    OTP_INVALID = "OTP_INVALID"
    OTP_EXPIRED = "OTP_EXPIRED"
    SUBJECT_MISMATCH = "SUBJECT_MISMATCH"
    IDP_UNAVAILABLE = "IDP_UNAVAILABLE"
    UTILITY_UNAVAILABLE = "UTILITY_UNAVAILABLE"
    INTERNAL = "INTERNAL"


#: At confirm these end the case; every other refusal leaves it READY with its hold (decision 38).
FINAL_AT_CONFIRM = frozenset(
    {
        Code.ENROLLMENT_CONFLICT,
        Code.NOT_ELIGIBLE,
        Code.PROGRAM_NOT_AVAILABLE,
        Code.CAPACITY_FULL,
        Code.SUBJECT_MISMATCH,
    }
)


@dataclass(frozen=True)
class Refusal:
    """A code the network knows, a sentence a person can use, and where the cause lies.

    `field` names the part of the command (`meters`, `credentials[0]`, `conflicts`, …); each profile knows its
    JSON path. `details` holds the keys of spec domain 6, snake_case here and camelCase on the wire.
    """

    code: Code
    sentence: str
    field: str = ""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def ends_a_confirm(self) -> bool:
        return self.code in FINAL_AT_CONFIRM
