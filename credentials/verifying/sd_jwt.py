"""An SD-JWT VC of ours: the signed token with as many of its claims as the holder discloses. Pure.

Only our own are read: whose key signs for a foreign `iss` that is a web address, nothing here looks up.
Source: RFC 9901; SD-JWT VC 3; spec credentials.md 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from credentials import addresses, content, problems, tokens
from credentials.content import Content, malformed
from credentials.multikey import BadKey, PublicKey, b64url, read_jwk
from credentials.reasons import Disbelieved, Reason
from credentials.verifying.values import HeldForm, Policy
from credentials.wallets import sd_jwt

TYPES = ("dc+sd-jwt", "vc+sd-jwt")
_REGISTERED = ("iss", "iat", "nbf", "exp", "jti", "vct", "cnf", "status", "_sd", "_sd_alg", "sub")


class IssuerSigned:
    """The issuer's signature over the token before the first tilde."""

    def __init__(self, token: str, header: Mapping[str, Any]) -> None:
        self.token, self.kid, self.algorithm = token, str(header.get("kid", "")), str(header["alg"])

    def made_by(self, key: PublicKey) -> bool:
        return tokens.is_signed_by(key, self.token, self.algorithm)


def read(text: str, policy: Policy) -> tuple[HeldForm, Content, IssuerSigned]:
    """Return form, content and signature; raise Disbelieved.

    The credential is shown in the words of the data model: `vct` as its type, the disclosed claims as its subject.
    """
    if len(text) > policy.maximum_bytes or not text.isascii():
        raise malformed(f"longer than {policy.maximum_bytes} bytes")
    token, *rest = text.strip().split("~")
    *disclosures, binding = rest
    header, payload = tokens.parse(token, maximum_bytes=policy.maximum_bytes)
    if tokens.type_of(header) not in TYPES:
        raise malformed("the token before the disclosures is no SD-JWT VC")
    if payload.get("iss") != addresses.base():
        raise Disbelieved(Reason.UNTRUSTED_ISSUER, "an SD-JWT of another issuer is not checked here")
    try:
        claims = sd_jwt.disclosed(payload, disclosures)
    except ValueError as error:
        raise malformed(f"the disclosures are not those of the token: {error}") from error
    if binding:
        _check_binding(text.strip().removesuffix(binding), binding, claims.get("cnf"), policy)
    elif policy.challenge is not None or policy.domain is not None:
        raise Disbelieved(Reason.BAD_SIGNATURE, "no key binding shows whom it was made for")
    return HeldForm.SD_JWT, _content(claims), IssuerSigned(token, header)


def _check_binding(shown: str, binding: str, confirmed: object, policy: Policy) -> None:
    """Raise Disbelieved unless the holder's key signed just what is shown, for the challenge and domain wanted."""
    header, payload = tokens.parse(binding, maximum_bytes=policy.maximum_bytes)
    try:
        key = read_jwk(confirmed.get("jwk") if isinstance(confirmed, Mapping) else None)
    except BadKey as error:
        raise malformed("the token names no key of its holder") from error
    if tokens.type_of(header) != "kb+jwt" or payload.get("sd_hash") != _digest(shown):
        raise malformed("the key binding is not one of what is shown")
    if not tokens.is_signed_by(key, binding, header["alg"]):
        raise Disbelieved(Reason.BAD_SIGNATURE, "the key binding is not signed with the holder's key")
    if policy.challenge is not None and payload.get("nonce") != policy.challenge:
        raise Disbelieved(Reason.BAD_SIGNATURE, "made for another challenge", problem=problems.INVALID_CHALLENGE)
    if policy.domain is not None and payload.get("aud") != policy.domain:
        raise Disbelieved(Reason.BAD_SIGNATURE, "made for another domain", problem=problems.INVALID_DOMAIN)


def _digest(shown: str) -> str:
    return b64url(hashlib.sha256(shown.encode("ascii")).digest())


def _content(claims: Mapping[str, Any]) -> Content:
    kind = str(claims.get("vct", "")).rpartition("/")[2].removesuffix("-v1")
    subject = {name: value for name, value in claims.items() if name not in _REGISTERED}
    holder = claims.get("sub")
    return Content(
        issuer=settings.ISSUER_DID,
        credential={"id": claims.get("jti"), "type": [kind], "credentialSubject": subject},
        types=(kind,),
        subject={**subject, **({"id": holder} if isinstance(holder, str) else {})},
        subject_id=holder if isinstance(holder, str) else "",
        starts=tuple(content.from_seconds(claims[name], name) for name in ("iat", "nbf") if name in claims),
        ends=tuple(content.from_seconds(claims[name], name) for name in ("exp",) if name in claims),
        token_status=claims.get("status"),
    )
