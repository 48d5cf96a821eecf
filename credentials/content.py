"""What a credential says of itself, in whichever form it comes: issuer, types, subject, dates, status. Pure.

Nothing of it is proven here. Whatever is wrong ends in `Disbelieved` with MALFORMED, never in another exception.
Source: VCDM 1.1 (4, 6.3.1), VCDM 2.0 (4), VC-JOSE-COSE 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from credentials.claims import CONTEXT_V1, CONTEXT_V2
from credentials.reasons import Disbelieved, Reason

_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Content:
    """A credential in either data model, with the registered claims of the JWT around it where there is one.

    `starts` and `ends` are all moments it names for its validity, `token_status` the IETF `status` claim. Of several
    subjects `subject` is the first.
    """

    issuer: str
    credential: Mapping[str, Any]
    types: tuple[str, ...]
    subject: Mapping[str, Any]
    subject_id: str
    starts: tuple[datetime, ...]
    ends: tuple[datetime, ...]
    token_status: object = None

    @property
    def id(self) -> str:
        """The credential's own name, "" where it has none."""
        named = self.credential.get("id")
        return named[:500] if isinstance(named, str) else ""

    @property
    def subjects(self) -> list[Mapping[str, Any]]:
        """All that it is about, the first of them `subject`."""
        named = self.credential.get("credentialSubject")
        more = named[1:] if isinstance(named, list) else []
        return [self.subject, *(each if isinstance(each, Mapping) else _NOTHING for each in more)]

    @property
    def specific_types(self) -> list[str]:
        return [each for each in self.types if each != "VerifiableCredential"]

    @property
    def valid_from(self) -> datetime | None:
        return max(self.starts, default=None)

    @property
    def valid_until(self) -> datetime | None:
        return min(self.ends, default=None)


def is_model_1_1(credential: Mapping[str, Any]) -> bool:
    """Whether the credential's first context is that of data model 1.1."""
    contexts = credential.get("@context")
    return isinstance(contexts, list) and contexts[:1] == [CONTEXT_V1]


def read(
    credential: object, *, model_1_1: bool, registered: Mapping[str, Any] = _NOTHING, general: bool = False
) -> Content:
    """Return what a credential says; `registered` are the claims of the JWT it came in.

    `general` reads whatever the data model allows: several subjects, a subject without a type of ours. Without it only
    what a message of the network carries: one subject, `type` as a list.
    """
    if not isinstance(credential, Mapping):
        raise malformed("the credential is no object")
    _check_context(credential, CONTEXT_V1 if model_1_1 else CONTEXT_V2)
    subject = _subject(credential.get("credentialSubject"), general)
    return Content(
        issuer=_issuer(registered, credential),
        credential=credential,
        types=_types(credential, general),
        subject=subject,
        subject_id=agreeing(registered.get("sub"), subject.get("id"), "the subject"),
        starts=_moments(registered, credential, ("nbf", "iat"), ("issuanceDate",) if model_1_1 else ("validFrom",)),
        ends=_moments(registered, credential, ("exp",), ("expirationDate",) if model_1_1 else ("validUntil",)),
        token_status=registered.get("status"),
    )


def agreeing(one: object, other: object, what: str) -> str:
    """The text two places agree on; one of them may be silent."""
    named = [each for each in (one, other) if each is not None]
    if any(not isinstance(each, str) for each in named) or len(set(map(str, named))) > 1:
        raise malformed(f"{what} is named twice and differently, or is no text")
    return str(named[0]) if named else ""


def malformed(detail: str) -> Disbelieved:
    return Disbelieved(Reason.MALFORMED, detail)


def _check_context(credential: Mapping[str, Any], wanted: str) -> None:
    contexts = credential.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != wanted:
        raise malformed(f"@context does not begin with {wanted}")


def _issuer(registered: Mapping[str, Any], credential: Mapping[str, Any]) -> str:
    named = credential.get("issuer")
    if isinstance(named, dict):
        named = named.get("id", "")
    issuer = agreeing(registered.get("iss"), named, "the issuer")
    if not issuer or len(issuer) > 500:
        raise malformed("no issuer")
    return issuer


def _types(credential: Mapping[str, Any], general: bool) -> tuple[str, ...]:
    types = credential.get("type")
    if general and isinstance(types, str):
        types = [types]
    if not isinstance(types, list) or "VerifiableCredential" not in types or len(types) > 10:
        raise malformed("type does not name a VerifiableCredential")
    if any(not isinstance(each, str) for each in types):
        raise malformed("a type is no text")
    return tuple(types)


def _subject(value: object, general: bool) -> Mapping[str, Any]:
    if isinstance(value, list) and (len(value) == 1 or (general and value)):
        value = value[0]
    if not isinstance(value, dict) or not value:
        raise malformed("credentialSubject is not one object")
    return value


def _moments(
    registered: Mapping[str, Any], credential: Mapping[str, Any], seconds: Sequence[str], texts: Sequence[str]
) -> tuple[datetime, ...]:
    found = [from_seconds(registered[name], name) for name in seconds if name in registered]
    found += [from_text(credential[name], name) for name in texts if name in credential]
    return tuple(found)


def from_seconds(value: object, name: str) -> datetime:
    """Return the instant of a JWT's NumericDate; Disbelieved for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise malformed(f"{name} is no moment")
    return datetime.fromtimestamp(value, UTC)


def from_text(value: object, name: str) -> datetime:
    """Return the instant of an XML Schema dateTime with its time zone; Disbelieved for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
        if moment is None or moment.tzinfo is None:
            raise malformed(f"{name} is no moment with a time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise malformed(f"{name} is no moment") from error
