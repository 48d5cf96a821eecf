"""Sign verifiable credentials as somebody else: the sandbox's issuers, and issuers that a test makes up.

Imports nothing of the product, so that what it signs is an independent check of what the product verifies.
Standards: VC-JWT (data model 1.1), VC-JOSE-COSE (2.0), did:web, RFC 7638.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Algorithm = Literal["ES256", "RS256", "EdDSA"]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | Ed25519PrivateKey

LIST_SIZE = 131_072
_REQUIRED_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


@dataclass(frozen=True)
class Key:
    """A signing key; `kid` is the RFC 7638 thumbprint of its public part."""

    alg: Algorithm
    private: PrivateKey
    public_jwk: Mapping[str, str]
    kid: str

    def pem(self) -> str:
        """The private key as PKCS #8 text, for a file that only its owner reads."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def make_key(alg: Algorithm = "ES256") -> Key:
    if alg == "ES256":
        return _key(alg, ec.generate_private_key(ec.SECP256R1()))
    if alg == "RS256":
        return _key(alg, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return _key(alg, Ed25519PrivateKey.generate())


def read_key(alg: Algorithm, pem: str) -> Key:
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | Ed25519PrivateKey)
    return _key(alg, private)


def _key(alg: Algorithm, private: PrivateKey) -> Key:
    algorithm = jwt.get_algorithm_by_name(alg)
    whole = algorithm.to_jwk(private.public_key(), as_dict=True)  # type: ignore[call-overload]
    public = {name: str(whole[name]) for name in _REQUIRED_MEMBERS[whole["kty"]]}
    canonical = json.dumps(public, separators=(",", ":"), sort_keys=True).encode()
    return Key(alg, private, public, _base64url(hashlib.sha256(canonical).digest()))


def jwks(keys: Iterable[Key]) -> dict[str, Any]:
    """The public keys as a JWK set, as `trust add --jwks` takes it."""
    return {"keys": [{**key.public_jwk, "kid": key.kid, "alg": key.alg, "use": "sig"} for key in keys]}


def did_web(url: str) -> str:
    """did:web of an origin, or of a path under it: `http://127.0.0.1:8001/a/b` → `did:web:127.0.0.1%3A8001:a:b`."""
    parts = urlsplit(url)
    path = [quote(part, safe="") for part in parts.path.split("/") if part]
    return ":".join(["did:web", quote(parts.netloc, safe=""), *path])


def did_document(did: str, keys: Sequence[Key]) -> dict[str, Any]:
    methods = [
        {
            "id": f"{did}#{key.kid}",
            "type": "JsonWebKey",
            "controller": did,
            "publicKeyJwk": {**key.public_jwk, "alg": key.alg, "kid": key.kid},
        }
        for key in keys
    ]
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/jwk/v1"],
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def sign_vc(
    key: Key,
    *,
    issuer: str,
    subject: str,
    type: str,
    claims: Mapping[str, Any],
    id: str,
    now: datetime,
    expires_at: datetime | None = None,
    valid_from: datetime | None = None,
    status: Any = None,
    form: Literal["1.1", "2.0"] = "1.1",
    kid: str | None = None,
    header: Mapping[str, Any] | None = None,
    payload: Mapping[str, Any] | None = None,
) -> str:
    """A signed credential: `1.1` with the `vc` claim, or `2.0` (`vc+jwt`).

    `claims` is the credentialSubject without its id; `status` one entry or a list of them; `kid` defaults to
    `<issuer>#<thumbprint>`. `header` and `payload` are laid over the result, to make it wrong on purpose.
    """
    since = valid_from or now
    make = _vc_1_1 if form == "1.1" else _vc_2_0
    content = make(issuer, subject, type, claims, id, now, since, expires_at, status)
    names = {"typ": "JWT"} if form == "1.1" else {"typ": "vc+jwt", "cty": "vc"}
    headers = {**names, "kid": kid or f"{issuer}#{key.kid}", **(header or {})}
    return jwt.encode({**content, **(payload or {})}, key.private, algorithm=key.alg, headers=headers)


def _vc_1_1(
    issuer: str,
    subject: str,
    type_: str,
    claims: Mapping[str, Any],
    id_: str,
    now: datetime,
    since: datetime,
    until: datetime | None,
    status: Any,
) -> dict[str, Any]:
    vc = {
        "@context": ["https://www.w3.org/2018/credentials/v1", "https://w3id.org/vc/status-list/2021/v1"],
        "id": id_,
        "type": ["VerifiableCredential", type_],
        "issuer": issuer,
        "issuanceDate": iso(since),
        **({"expirationDate": iso(until)} if until else {}),
        "credentialSubject": {"id": subject, **claims},
        **({"credentialStatus": status} if status else {}),
    }
    times = {"iat": seconds(now), "nbf": seconds(since), **({"exp": seconds(until)} if until else {})}
    return {"iss": issuer, "sub": subject, "jti": id_, **times, "vc": vc}


def _vc_2_0(
    issuer: str,
    subject: str,
    type_: str,
    claims: Mapping[str, Any],
    id_: str,
    now: datetime,
    since: datetime,
    until: datetime | None,
    status: Any,
) -> dict[str, Any]:
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": id_,
        "type": ["VerifiableCredential", type_],
        "issuer": issuer,
        "validFrom": iso(since),
        **({"validUntil": iso(until)} if until else {}),
        "credentialSubject": {"id": subject, **claims},
        **({"credentialStatus": status} if status else {}),
        "iss": issuer,
        "sub": subject,
        "jti": id_,
        "iat": seconds(now),
        **({"exp": seconds(until)} if until else {}),
    }


def status_entry(list_url: str, index: int, purpose: str = "revocation") -> dict[str, str]:
    return {
        "id": f"{list_url}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": str(index),
        "statusListCredential": list_url,
    }


def sign_status_list(
    key: Key,
    *,
    issuer: str,
    url: str,
    set_indexes: Iterable[int],
    now: datetime,
    valid_until: datetime,
    purpose: str = "revocation",
) -> str:
    """A status list as a `vc+jwt` credential."""
    content = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": iso(now),
        "validUntil": iso(valid_until),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": encoded_list(set_indexes),
        },
        "iss": issuer,
        "sub": f"{url}#list",
        "iat": seconds(now),
        "exp": seconds(valid_until),
    }
    headers = {"typ": "vc+jwt", "cty": "vc", "kid": f"{issuer}#{key.kid}"}
    return jwt.encode(content, key.private, algorithm=key.alg, headers=headers)


def encoded_list(set_indexes: Iterable[int], size: int = LIST_SIZE) -> str:
    """Multibase base64url of the gzipped bits, entry 0 left-most. Source: Bitstring Status List v1.0."""
    bits = bytearray(size // 8)
    for index in set_indexes:
        bits[index >> 3] |= 0x80 >> (index & 7)
    return "u" + _base64url(gzip.compress(bytes(bits), 6, mtime=0))


def bit_is_set(encoded: str, index: int) -> bool:
    packed = gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
    return bool(packed[index >> 3] & (0x80 >> (index & 7)))


def seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
