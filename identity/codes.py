"""One-time codes as a utility's service sends and judges them: values, and what such a service can do.

The utility sends, counts and locks; its session is the `nguid` of the wire. `utility_systems` implements this, whoever
proves people is handed it (decision 24). Source: spec wire.md 4, decision 28, issue 4 point 9.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class CodeRequest:
    """Whom to send a code, and what its message has to say: who asks, for which program and meters (point 9).

    A mobile number, an account, or the number of a meter, whose holder then gets it at the contact the utility has.
    Where somebody assists, the message names their agency and them (`agency`, `agent`), so that a customer who is
    told a stranger's name on the telephone can compare; `ending` is how the meter's or account's number ends.
    """

    mobile: str = field(repr=False)
    utility_customer_id: str = field(default="", repr=False)
    meter_number: str = field(default="", repr=False)
    requested_by: str = ""
    program: str = ""
    meters: Sequence[str] = ()
    locale: str = ""
    agency: str = ""
    agent: str = field(default="", repr=False)
    ending: str = ""


@dataclass(frozen=True)
class CodeSession:
    """The utility's session of a code, the same for numbers that it knows and that it does not."""

    nguid: str = field(repr=False)
    expires_at: datetime
    masked_to: str
    attempts: int


@dataclass(frozen=True)
class CodeVerdict:
    """Whether the code is right; if so, whose it is. `is_over`: the session has ended or is unknown."""

    is_right: bool
    attempts_left: int = 0
    is_locked: bool = False
    is_over: bool = False
    subject_did: str = field(default="", repr=False)
    utility_customer_id: str = field(default="", repr=False)


class CodeService(Protocol):
    """One utility's codes. Both may raise the utility's own exception of not answering."""

    @property
    def utility_id(self) -> str: ...

    def request_code(self, asked: CodeRequest) -> CodeSession: ...

    def verify_code(self, nguid: str, code: str) -> CodeVerdict: ...
