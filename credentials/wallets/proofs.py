"""The wallet's proof that it holds the key its credential is to be bound to: proof type `jwt`.

The key stands in the header, as `jwk` or as a did:key or did:jwk in `kid`: nothing has to be fetched to read a proof.
Source: OpenID4VCI 1.0, 8.2 and F.1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from credentials import issuers, multikey, tokens
from credentials.asking import Deadline
from credentials.multikey import BadKey
from credentials.reasons import Disbelieved
from credentials.wallets import nonces

ALGORITHMS = ("ES256", "EdDSA")
METHODS = ("did:jwk", "did:key")
MAXIMUM_BYTES = 16 * 1024
TYPE = "openid4vci-proof+jwt"
CLOCKS_DIFFER_BY = timedelta(minutes=10)
"""How old or early a proof may say it is: that it is fresh, the nonce shows; phones' clocks are what they are."""


class ProofRefused(Exception):
    """The proof does not hold. `code` is the wire's error code; the text is for the wallet's maker, in ASCII."""

    def __init__(self, description: str, code: str = "invalid_proof") -> None:
        super().__init__(description)
        self.code = code


@dataclass(frozen=True)
class Proof:
    """A key that is there now: its JWK (public members only), its DID, and the nonce that was signed."""

    jwk: dict[str, str]
    did: str
    nonce: str

    @property
    def thumbprint(self) -> str:
        return multikey.thumbprint(self.jwk)


def read(text: object, *, audience: str, now: datetime) -> Proof:
    """Return what a proof proves; ProofRefused with `invalid_proof` or `invalid_nonce`.

    Whether the nonce was used before, `nonces.spend` finds out.
    """
    if not isinstance(text, str):
        raise ProofRefused("The proof is no text.")
    try:
        header, payload = tokens.parse(text, maximum_bytes=MAXIMUM_BYTES, algorithms=ALGORITHMS)
        if tokens.type_of(header) != TYPE:
            raise ProofRefused(f"The proof's typ is not {TYPE}.")
        did, key = _key(header)
    except Disbelieved as failed:
        raise ProofRefused(f"The proof cannot be read: {failed.detail}.") from None
    _check_content(payload, audience, now)
    if not tokens.is_signed_by(key, text, header["alg"]):
        raise ProofRefused("The proof's signature is not that key's.")
    jwk = multikey.jwk_of(key)  # type: ignore[arg-type]  # ES256 and EdDSA: a P-256 or Ed25519 key
    return Proof(jwk, did or did_of(jwk), _nonce(payload, now))


def did_of(jwk: Mapping[str, str]) -> str:
    """Return the did:jwk of a public JWK."""
    return "did:jwk:" + multikey.b64url(json.dumps(jwk, separators=(",", ":")).encode())


def _key(header: Mapping[str, Any]) -> tuple[str, multikey.PublicKey]:
    named = [name for name in ("kid", "jwk", "x5c") if name in header]
    if len(named) != 1 or named[0] == "x5c":
        raise ProofRefused(
            "The proof's header names its key in jwk, or in kid as a did:jwk or did:key; in one of them."
        )
    if named[0] == "jwk":
        return "", _embedded(header["jwk"])
    did = header["kid"].partition("#")[0]
    if not did.startswith(tuple(f"{method}:" for method in METHODS)):
        raise ProofRefused("The proof's kid is no did:jwk or did:key.")
    # Neither method needs anybody to be asked.
    keys = issuers.candidates(
        did, header["kid"], header["alg"], pinned=(), resolve=True, deadline=Deadline(1.0), purpose="authentication"
    )
    return did, keys[0].key


def _embedded(jwk: object) -> multikey.PublicKey:
    if isinstance(jwk, Mapping) and "d" in jwk:
        raise ProofRefused("The proof's header holds a private key.")
    try:
        return multikey.read_jwk(jwk)
    except BadKey:
        raise ProofRefused("The proof's jwk is no key of a kind we take.") from None


def _check_content(payload: Mapping[str, Any], audience: str, now: datetime) -> None:
    named = payload.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise ProofRefused(f"The proof's aud is not {audience}.")
    made_at = payload.get("iat")
    if isinstance(made_at, bool) or not isinstance(made_at, int | float):
        raise ProofRefused("The proof has no iat.")
    if not abs(made_at - now.timestamp()) <= CLOCKS_DIFFER_BY.total_seconds():
        raise ProofRefused("The proof's iat is too long ago, or ahead.")


def _nonce(payload: Mapping[str, Any], now: datetime) -> str:
    nonce = payload.get("nonce")
    if not isinstance(nonce, str) or not nonce:
        raise ProofRefused("The proof has no nonce: get one at the nonce endpoint.")
    if not nonces.is_good(nonce, now):
        raise ProofRefused("The nonce is not ours, or its time is over: get a new one.", "invalid_nonce")
    return nonce
