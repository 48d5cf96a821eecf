"""Proving who a customer is by a presentation their own key has signed (decision 56).

VP-JWT of VCDM 1.1 (the `vp` claim) and `vp+jwt` of 2.0. It is made for us (`aud`), for one order (`nonce`) and lives an
hour at most. Only the signature's owner is proven: credentials inside are not looked at, they come with the order.
Source: VCDM 1.1 6.3.1, VCDM 2.0, VC-JOSE-COSE 1.1.2, DID Core 5.3.1; decisions 46 and 53.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from credentials import content, issuers, tokens
from credentials.asking import Deadline
from credentials.claims import CONTEXT_V1, CONTEXT_V2
from credentials.reasons import Disbelieved, Reason
from identity import jwts

MAXIMUM_BYTES = 64 * 1024
ALGORITHMS = ("ES256", "EdDSA")
LONGEST_DID = 500  # characters, as a customer's id on the wire
RETRY_AFTER_SECONDS = 60
_DID = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._:%-]+")
_METHODS = ("did:key:", "did:jwk:", "did:web:")


class Why(StrEnum):
    """What is wrong with a presentation; UNREACHABLE alone may be otherwise a minute later."""

    MALFORMED = "MALFORMED"
    ALG_NOT_ALLOWED = "ALG_NOT_ALLOWED"
    DID_NOT_SUPPORTED = "DID_NOT_SUPPORTED"
    WRONG_AUDIENCE = "WRONG_AUDIENCE"
    WRONG_NONCE = "WRONG_NONCE"
    WRONG_DATES = "WRONG_DATES"
    EXPIRED = "EXPIRED"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNREACHABLE = "UNREACHABLE"


@dataclass(frozen=True)
class Holder:
    """Who signed. `jti_or_digest` names this presentation among all of this DID. The DID stays out of repr."""

    did: str = field(repr=False)
    jti_or_digest: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Unproven:
    """Why nothing is proven, with a sentence that repeats nothing of the presentation."""

    reason: Why
    message: str
    retry_after_seconds: int | None = None


class _Refused(Exception):
    def __init__(self, reason: Why, message: str) -> None:
        super().__init__(message)
        self.unproven = Unproven(reason, message, RETRY_AFTER_SECONDS if reason == Why.UNREACHABLE else None)


def prove_holder(
    jwt: object, *, audience: set[str], nonce: str, now: datetime, wait_seconds: float = 6.0
) -> Holder | Unproven:
    """Return who signed this presentation, or why that is not proven. Garbage of any kind is Unproven, no exception.

    `audience`: the names by which we are meant, any one will do; `nonce`: the order's id. A did:web is asked for its
    document (at most `wait_seconds`) after all else was found good: no transaction open. Whether it was used elsewhere
    before is the caller's question (`identity.tokens.bind`).
    """
    try:
        return _proven(jwt, audience, nonce, now, Deadline(wait_seconds))
    except _Refused as refused:
        return refused.unproven
    except Disbelieved as failed:
        known = failed.reason in (Reason.ALG_NOT_ALLOWED, Reason.BAD_SIGNATURE)
        why = Why(failed.reason.value) if known else Why.MALFORMED
        return Unproven(why, f"The presentation cannot be read: {failed.detail}.")


def _proven(jwt: object, audience: set[str], nonce: str, now: datetime, deadline: Deadline) -> Holder:
    if not isinstance(jwt, str):
        raise _Refused(Why.MALFORMED, "The presentation is no text.")
    header, payload = tokens.parse(jwt, maximum_bytes=MAXIMUM_BYTES, algorithms=ALGORITHMS)
    did = _holder(payload, _presentation(header, payload))
    _check_made_for_us(payload, audience, nonce)
    expires_at = _expiry(payload, now)
    if not did.startswith(_METHODS):
        raise _Refused(
            Why.DID_NOT_SUPPORTED, "Only a did:key, did:jwk or did:web proves itself; send a sign-in in userAuth."
        )
    _check_signature(jwt, header, did, deadline)
    return Holder(did, _name(jwt, payload), expires_at)


def _presentation(header: Mapping[str, Any], payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The presentation in either data model. A credential is none, whoever signed it."""
    typ = tokens.type_of(header)
    found, context = (payload.get("vp"), CONTEXT_V1) if "vp" in payload else (payload, CONTEXT_V2)
    if "vc" in payload or typ != ("jwt" if "vp" in payload else "vp+jwt") or not isinstance(found, dict):
        raise _Refused(Why.MALFORMED, "The JWT is no presentation: neither a vp claim nor the type vp+jwt.")
    contexts, types = found.get("@context"), found.get("type")
    if not isinstance(contexts, list) or contexts[:1] != [context]:
        raise _Refused(Why.MALFORMED, f"The presentation's @context does not begin with {context}.")
    if types != "VerifiablePresentation" and not (isinstance(types, list) and "VerifiablePresentation" in types):
        raise _Refused(Why.MALFORMED, "The presentation's type is not VerifiablePresentation.")
    return found


def _holder(payload: Mapping[str, Any], presentation: Mapping[str, Any]) -> str:
    named = presentation.get("holder")
    if isinstance(named, dict):
        named = named.get("id", "")
    did = content.agreeing(payload.get("iss"), named, "the holder")
    if payload.get("iss") is None or len(did) > LONGEST_DID or not _DID.fullmatch(did):
        raise _Refused(Why.MALFORMED, "The presentation does not name its holder's DID in iss.")
    return did


def _check_made_for_us(payload: Mapping[str, Any], audience: set[str], nonce: str) -> None:
    named = payload.get("aud")
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, list) or not any(isinstance(each, str) and each in audience for each in named):
        raise _Refused(Why.WRONG_AUDIENCE, "The presentation was not made for us.")
    if not nonce or payload.get("nonce") != nonce:
        raise _Refused(Why.WRONG_NONCE, "The presentation's nonce is not the id of this order.")


def _expiry(payload: Mapping[str, Any], now: datetime) -> datetime:
    try:
        return jwts.check_dates(payload, now)
    except jwts.Expired:
        raise _Refused(Why.EXPIRED, "The presentation has expired.") from None
    except jwts.Rejected as error:
        raise _Refused(Why.WRONG_DATES, f"The presentation's dates do not hold. {error}") from None


def _check_signature(jwt: str, header: Mapping[str, Any], did: str, deadline: Deadline) -> None:
    kid, algorithm = header.get("kid", ""), header["alg"]
    try:
        keys = issuers.candidates(
            did, kid, algorithm, pinned=(), resolve=True, deadline=deadline, purpose="authentication"
        )
    except Disbelieved as failed:
        if failed.retryable:
            raise _Refused(Why.UNREACHABLE, "The holder's DID document is not to be had now; try again.") from None
        raise _Refused(Why.UNKNOWN_KEY, "The holder's DID names no such key for authentication.") from None
    if not any(tokens.is_signed_by(each.key, jwt, algorithm) for each in keys):
        raise _Refused(Why.BAD_SIGNATURE, "The presentation's signature is not the holder's.")


def _name(jwt: str, payload: Mapping[str, Any]) -> str:
    jti = payload.get("jti")
    if jti is not None and not isinstance(jti, str):
        raise _Refused(Why.MALFORMED, "jti is no text.")
    # Without the signature: an ES256 one can be turned into a second good one by anybody who has seen it.
    return jti or hashlib.sha256(jwt.rpartition(".")[0].encode()).hexdigest()
