"""A person who holds their own key, and signs presentations with it. Knows the standards, nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import base58
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

V1 = "https://www.w3.org/2018/credentials/v1"
V2 = "https://www.w3.org/ns/credentials/v2"
Form = Literal["1.1", "2.0"]


@dataclass(frozen=True)
class Wallet:
    """`kid` is the key's name in the holder's DID document."""

    private: Any
    did: str
    kid: str

    @property
    def algorithm(self) -> str:
        return "EdDSA" if isinstance(self.private, Ed25519PrivateKey) else "ES256"

    def presentation(self, *, aud: Any, nonce: Any, now: datetime | None = None, form: Form = "1.1") -> dict[str, Any]:
        """The payload of a presentation without credentials, good for ten minutes."""
        now = now or datetime.now(UTC)
        content: dict[str, Any] = {
            "@context": [V1 if form == "1.1" else V2],
            "type": ["VerifiablePresentation"],
            "holder": self.did,
        }
        claims = {
            "iss": self.did,
            "aud": aud,
            "nonce": nonce,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=10)).timestamp()),
        }
        return {**claims, "vp": content} if form == "1.1" else {**claims, **content}

    def sign(self, payload: dict[str, Any], *, key: Any = None, **header: Any) -> str:
        """Sign; a claim or header that is None is left out."""
        whole = {"typ": "JWT" if "vp" in payload else "vp+jwt", "alg": self.algorithm, "kid": self.kid, **header}
        content = ".".join(_base64url(json.dumps(_without_none(part)).encode()) for part in (whole, payload))
        algorithm = jwt.get_algorithm_by_name(whole["alg"])
        return f"{content}.{_base64url(algorithm.sign(content.encode(), key or self.private))}"

    def present(self, *, aud: Any, nonce: Any, now: datetime | None = None, form: Form = "1.1", **claims: Any) -> str:
        """Sign a presentation; `claims` are laid over its payload."""
        return self.sign({**self.presentation(aud=aud, nonce=nonce, now=now, form=form), **claims})


def ed25519(secret: str = "") -> Ed25519PrivateKey:
    """A key; always the same one for the same words."""
    seed = hashlib.sha256(secret.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed) if secret else Ed25519PrivateKey.generate()


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def did_key(private: Any) -> Wallet:
    public = private.public_key()
    if isinstance(private, Ed25519PrivateKey):
        raw = b"\xed\x01" + public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        raw = b"\x80\x24" + public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    name = "z" + base58.b58encode(raw).decode()
    return Wallet(private, f"did:key:{name}", f"did:key:{name}#{name}")


def did_jwk(private: Any) -> Wallet:
    algorithm = jwt.get_algorithm_by_name("EdDSA" if isinstance(private, Ed25519PrivateKey) else "ES256")
    jwk = algorithm.to_jwk(private.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    did = f"did:jwk:{_base64url(json.dumps(jwk).encode())}"
    return Wallet(private, did, f"{did}#0")


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
