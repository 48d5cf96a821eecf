"""What an answer tells about the proof a message carried (`userAuth` of an answer).

A value without wire names; the profiles write it. Source: spec wire.md 4, `userAuth`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Method(StrEnum):
    OIDC = "OIDC"
    OAUTH2 = "OAUTH2"
    OTP = "OTP"


@dataclass(frozen=True)
class Shown:
    """The proof of one message as its sender is told of it.

    `nguid` is the utility's session of a one-time code: a secret on the wire, kept only sealed. `expires_at` is the
    token's end, or the code's. What is empty or None is left out of the answer.
    """

    method: Method
    is_verified: bool | None = None
    verified_at: datetime | None = None
    expires_at: datetime | None = None
    message: str = ""
    subject: str = field(default="", repr=False)
    issuer: str = ""
    scope: str = ""
    nguid: str = field(default="", repr=False)
    utility_id: str = ""
    utility_customer_id: str = field(default="", repr=False)
