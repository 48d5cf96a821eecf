"""Compact JWS by a signer that may live elsewhere, and the check of our own output.

PyJWT assembles; the signature comes from a `Signer`, which is all that a KMS or HSM has to offer. PyJWT gets key
objects, never PEM: parsing PEM at each call costs a thousand times the signature. Source: spec credentials.md 2, 6, 7.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import Algorithm
from jwt.utils import der_to_raw_signature, raw_to_der_signature

from credentials.multikey import JOSE_NAMES, OwnKey, from_b64url, jose_name, jwk_of

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Signer(Protocol):
    """What signing needs of a key, wherever it lives; a KMS or HSM has to offer no more."""

    @property
    def public_jwk(self) -> Mapping[str, str]:
        """The public key as JWK: EC P-256 (kty, crv, x, y) or OKP Ed25519 (kty, crv, x)."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message` as JOSE writes it, 64 bytes.

        ES256: SHA-256, then r and s (RFC 7518, 3.4). Ed25519: over the message itself (RFC 8032).
        """


class SoftwareSigner:
    """A private key in this process."""

    def __init__(self, private_key: PrivateKey, public_jwk: Mapping[str, str]) -> None:
        self._private_key = private_key
        self.public_jwk: Mapping[str, str] = public_jwk

    def sign(self, message: bytes) -> bytes:
        key = self._private_key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        return der_to_raw_signature(key.sign(message, ec.ECDSA(hashes.SHA256())), key.curve)

    def __repr__(self) -> str:
        return "SoftwareSigner(…)"  # a key is never printed


def is_signed_by(key: OwnKey, message: bytes, signature: bytes) -> bool:
    """Whether a key of ours made this signature, written as `Signer.sign` writes it."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(raw_to_der_signature(signature, key.curve), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


class _ByOurSigner(Algorithm):
    """A JOSE algorithm whose key is a `Signer`."""

    def prepare_key(self, key: Any) -> Any:
        return key

    def sign(self, msg: bytes, key: Any) -> bytes:
        signature: bytes = key.sign(msg)
        return signature

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        raise NotImplementedError("only for signing")

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> Any:
        raise NotImplementedError("only for signing")

    @staticmethod
    def from_jwk(jwk: Any) -> Any:
        raise NotImplementedError("only for signing")


_encoder = jwt.PyJWS(algorithms=[])
for _name in JOSE_NAMES.values():
    _encoder.register_algorithm(_name, _ByOurSigner())


class OwnOutputInvalid(Exception):
    """What we have just signed does not verify or is not what we meant: nothing of it may leave."""


def sign_jwt(payload: Mapping[str, Any], *, header: Mapping[str, str], signer: Signer) -> str:
    """Return the compact JWS of the payload. `header` gives typ, kid and the like; alg follows from the key."""
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    name = jose_name(signer.public_jwk)
    return _encoder.encode(body, signer, algorithm=name, headers=dict(header))  # type: ignore[arg-type]


def check_own(token: str, *, payload: Mapping[str, Any], header: Mapping[str, str], key: OwnKey) -> None:
    """Verify what was just signed with the published key, as a stranger would; OwnOutputInvalid otherwise."""
    signed, _, signature = token.rpartition(".")
    # Not PyJWT's decode: it looks at every character in Python, which costs twice the signature itself.
    try:
        good = is_signed_by(key, signed.encode("ascii"), from_b64url(signature))
        found = [json.loads(from_b64url(part)) for part in signed.split(".")]
    except ValueError as error:
        raise OwnOutputInvalid("our own signature does not verify") from error
    if not good:
        raise OwnOutputInvalid("our own signature does not verify")
    if found != [{**header, "alg": jose_name(jwk_of(key))}, payload]:
        raise OwnOutputInvalid("our own token says something else than was meant")
