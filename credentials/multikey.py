"""Public keys as text: JWK, RFC 7638 thumbprint, Multikey. Pure.

A key handed to us by someone else is read here and refused when it is weak or odd.
Source: RFC 7517, RFC 7638, W3C Controlled Identifiers 1.0 (Multikey), multicodec table; spec credentials.md 2.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import base58
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
OwnKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
"""What we sign with ourselves: P-256 or Ed25519."""

JOSE_NAMES = {"EC": "ES256", "OKP": "EdDSA"}
"""The `alg` of what a key of ours signs, by its key type. RFC 9864 calls EdDSA Ed25519; few verifiers know it yet."""

_CURVES: dict[str, tuple[type[ec.EllipticCurve], int]] = {"P-256": (ec.SECP256R1, 32), "P-384": (ec.SECP384R1, 48)}
_CODECS = {b"\x80\x24": "P-256", b"\x81\x24": "P-384", b"\xed\x01": "Ed25519"}
_RSA_BITS = range(2048, 8193)  # below: weak; above: a verification that costs us more than it costs the sender


class BadKey(ValueError):
    """Key material that is malformed, of an unknown kind, or too weak."""


def algorithms_of(key: PublicKey) -> frozenset[str]:
    """Return the JOSE algorithms a key may be used with; nothing else is tried with it."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return frozenset({"EdDSA", "Ed25519"})
    if isinstance(key, rsa.RSAPublicKey):
        return frozenset({"RS256", "PS256"})
    return frozenset({"ES256"} if isinstance(key.curve, ec.SECP256R1) else {"ES384"})


def jwk_of(key: OwnKey) -> dict[str, str]:
    """Return the public JWK of a P-256 or Ed25519 key: kty, crv, the coordinates and nothing else."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url(key.public_bytes_raw())}
    numbers = key.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": b64url(numbers.x.to_bytes(32, "big")),
        "y": b64url(numbers.y.to_bytes(32, "big")),
    }


def jose_name(jwk: Mapping[str, Any]) -> str:
    """Return the `alg` of what a key of ours signs: ES256 for P-256, EdDSA for Ed25519."""
    return JOSE_NAMES[jwk["kty"]]


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the RFC 7638 SHA-256 thumbprint, base64url, 43 characters."""
    members = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}.get(
        str(jwk["kty"])
    )
    if members is None:
        raise BadKey(f"no thumbprint for key type {jwk['kty']!r}")
    canonical = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return b64url(hashlib.sha256(canonical.encode()).digest())


def multikey_of(key: OwnKey) -> str:
    """Return the Multikey text (`z…`): base58btc of the codec and the compressed point or the 32 bytes of Ed25519."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "z" + base58.b58encode(b"\xed\x01" + key.public_bytes_raw()).decode("ascii")
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    return "z" + base58.b58encode(b"\x80\x24" + point).decode("ascii")


def read_multikey(text: str) -> PublicKey:
    """Return the key of a Multikey text (P-256, P-384, Ed25519); BadKey for anything else."""
    if not text.startswith("z") or len(text) > 120:
        raise BadKey("no base58btc Multikey")
    try:
        raw = base58.b58decode(text[1:])
        curve = _CODECS[raw[:2]]
        if curve == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(raw[2:])
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve][0](), raw[2:])
    except (ValueError, KeyError, UnsupportedAlgorithm) as error:
        raise BadKey("no Multikey of a kind we know") from error


def read_jwk(jwk: object) -> PublicKey:
    """Return the key of a public JWK (EC P-256 and P-384, OKP Ed25519, RSA of 2048 to 8192 bits).

    BadKey for anything else, also for a JWK that is meant for encryption. A private part is ignored.
    """
    if not isinstance(jwk, Mapping):
        raise BadKey("a JWK is an object")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise BadKey("the key is not meant for signatures")
    try:
        return _READERS[jwk.get("kty", "")](jwk)
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise BadKey("no JWK of a kind we know") from error


def b64url(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_b64url(text: object) -> bytes:
    """Return the bytes of unpadded base64url; ValueError for anything else, also for a non-canonical last character."""
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("no base64url")
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    if b64url(raw) != text:
        raise ValueError("no canonical base64url")
    return raw


def _read_ec(jwk: Mapping[str, Any]) -> PublicKey:
    curve, octets = _CURVES[jwk["crv"]]
    x, y = from_b64url(jwk["x"]), from_b64url(jwk["y"])
    if len(x) != octets or len(y) != octets:
        raise BadKey("a coordinate has the wrong length")
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve()).public_key()


def _read_okp(jwk: Mapping[str, Any]) -> PublicKey:
    if jwk["crv"] != "Ed25519":
        raise BadKey("an OKP key for signatures is Ed25519")
    return ed25519.Ed25519PublicKey.from_public_bytes(from_b64url(jwk["x"]))


def _read_rsa(jwk: Mapping[str, Any]) -> PublicKey:
    modulus = int.from_bytes(from_b64url(jwk["n"]), "big")
    exponent = int.from_bytes(from_b64url(jwk["e"]), "big")
    if modulus.bit_length() not in _RSA_BITS or not 3 <= exponent < 1 << 33:
        raise BadKey("an RSA key has 2048 to 8192 bits and a small exponent")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


_READERS = {"EC": _read_ec, "OKP": _read_okp, "RSA": _read_rsa}
