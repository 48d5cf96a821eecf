"""Why a presented credential is not believed: the closed set of spec domain.md 6, and its exception."""

from enum import StrEnum


class Reason(StrEnum):
    MALFORMED = "MALFORMED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    UNTRUSTED_ISSUER = "UNTRUSTED_ISSUER"
    TYPE_NOT_ALLOWED_FOR_ISSUER = "TYPE_NOT_ALLOWED_FOR_ISSUER"
    NOT_YET_VALID = "NOT_YET_VALID"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    STATUS_UNAVAILABLE = "STATUS_UNAVAILABLE"
    WRONG_SUBJECT = "WRONG_SUBJECT"
    WRONG_METER = "WRONG_METER"
    WRONG_DER = "WRONG_DER"
    WRONG_PROGRAM = "WRONG_PROGRAM"
    ALG_NOT_ALLOWED = "ALG_NOT_ALLOWED"


class Disbelieved(Exception):
    """A check failed. `detail` is a sentence without personal data; `retryable` if asking again later may help.

    `problem` is the type URL of a specification (`credentials.problems`) where it says more than the reason does.
    """

    def __init__(self, reason: Reason, detail: str, *, retryable: bool = False, problem: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.retryable = retryable
        self.problem = problem
