"""Compact JWS by a signer that may live elsewhere, and the check of our own output.

PyJWT assembles; the signature comes from a `Signer`, which is all that a KMS or HSM has to offer. PyJWT gets key
objects, never PEM: parsing PEM at each call costs a thousand times the signature. Source: spec credentials.md 2, 6, 7.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from jwt.utils import der_to_raw_signature

from credentials.multikey import from_b64url

ALGORITHM = "ES256"


class Signer(Protocol):
    """What signing needs of a key, wherever it lives."""

    @property
    def public_jwk(self) -> Mapping[str, str]:
        """The public key as JWK: kty EC, crv P-256, x, y."""

    def sign(self, message: bytes) -> bytes:
        """Return the ES256 signature of `message`: r and s, 64 bytes (RFC 7518, 3.4)."""


class SoftwareSigner:
    """A private key in this process."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey, public_jwk: Mapping[str, str]) -> None:
        self._private_key = private_key
        self.public_jwk: Mapping[str, str] = public_jwk

    def sign(self, message: bytes) -> bytes:
        return der_to_raw_signature(self._private_key.sign(message, ec.ECDSA(hashes.SHA256())), self._private_key.curve)

    def __repr__(self) -> str:
        return "SoftwareSigner(…)"  # a key is never printed


class _ByOurSigner(ECAlgorithm):
    """ES256 whose key is a `Signer`."""

    def __init__(self) -> None:
        super().__init__(ECAlgorithm.SHA256)

    def prepare_key(self, key: Any) -> Any:
        return key

    def sign(self, msg: bytes, key: Any) -> bytes:
        signature: bytes = key.sign(msg)
        return signature


_encoder = jwt.PyJWS(algorithms=[])
_encoder.register_algorithm(ALGORITHM, _ByOurSigner())
_es256 = ECAlgorithm(ECAlgorithm.SHA256)


class OwnOutputInvalid(Exception):
    """What we have just signed does not verify or is not what we meant: nothing of it may leave."""


def sign_jwt(payload: Mapping[str, Any], *, header: Mapping[str, str], signer: Signer) -> str:
    """Return the compact JWS of the payload. `header` gives typ, kid and the like; alg is ES256."""
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    return _encoder.encode(body, signer, algorithm=ALGORITHM, headers=dict(header))  # type: ignore[arg-type]


def check_own(
    token: str, *, payload: Mapping[str, Any], header: Mapping[str, str], key: ec.EllipticCurvePublicKey
) -> None:
    """Verify what was just signed with the published key, as a stranger would; OwnOutputInvalid otherwise."""
    signed, _, signature = token.rpartition(".")
    # Not PyJWT's decode: it looks at every character in Python, which costs twice the signature itself.
    try:
        good = _es256.verify(signed.encode("ascii"), key, from_b64url(signature))
        found = [json.loads(from_b64url(part)) for part in signed.split(".")]
    except ValueError as error:
        raise OwnOutputInvalid("our own signature does not verify") from error
    if not good:
        raise OwnOutputInvalid("our own signature does not verify")
    if found != [{**header, "alg": ALGORITHM}, payload]:
        raise OwnOutputInvalid("our own token says something else than was meant")
