"""An SD-JWT VC of ours: the signed token with as many of its claims as the holder discloses. Pure.

Only our own are read: whose key signs for a foreign `iss` that is a web address, nothing here looks up.
Source: RFC 9901; SD-JWT VC 3; spec credentials.md 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from credentials import addresses, content, tokens
from credentials.content import Content, malformed
from credentials.multikey import PublicKey
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
    if len(text) > policy.maximum_bytes:
        raise malformed(f"longer than {policy.maximum_bytes} bytes")
    token, *rest = text.strip().split("~")
    *disclosures, binding = rest
    header, payload = tokens.parse(token, maximum_bytes=policy.maximum_bytes)
    if tokens.type_of(header) not in TYPES:
        raise malformed("the token before the disclosures is no SD-JWT VC")
    if binding:
        # A key binding is made for one verifier and one nonce. Nobody has given us either.
        raise malformed("the SD-JWT carries a key binding, which is for another verifier")
    if payload.get("iss") != addresses.base():
        raise Disbelieved(Reason.UNTRUSTED_ISSUER, "an SD-JWT of another issuer is not checked here")
    try:
        claims = sd_jwt.disclosed(payload, disclosures)
    except ValueError as error:
        raise malformed(f"the disclosures are not those of the token: {error}") from error
    return HeldForm.SD_JWT, _content(claims), IssuerSigned(token, header)


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
