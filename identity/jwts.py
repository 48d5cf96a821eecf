"""Reading a provider's JWT: signature, then what it says about itself. Who may bring it is `tokens`' question."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.exceptions import PyJWTError

from identity import claims as reading
from identity.providers import Provider, PublicKey, keys_of, provider_for

LEEWAY = timedelta(seconds=60)  # decision 53
LONGEST_LIFE = timedelta(hours=1)  # decision 46
LONGEST_TOKEN = 16_384  # characters
LEAST_RSA_BITS = 2048

# Asymmetric ones only: with an HMAC the "secret" would be the public key.
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
ALGORITHMS = frozenset({*_CURVES, *_RSA, "EdDSA"})

_jws = jwt.PyJWS(algorithms=sorted(ALGORITHMS))


class Rejected(Exception):
    """The token is not believed; the text is for the sender and repeats nothing of the token."""


class Expired(Rejected):
    """It was good once."""


@dataclass(frozen=True)
class Token:
    """A token whose signature, issuer and dates hold. `claims` are the allowed ones only."""

    provider: Provider
    typ: str
    claims: Mapping[str, Any]
    expires_at: datetime


def is_jwt(token: str) -> bool:
    """Say whether this has a signed JWT's three parts."""
    return token.count(".") == 2


def read(token: str, *, now: datetime, event: str = "") -> Token:
    """Return the token's claims after checking signature and dates.

    With `event` it has to be a token that tells of it (RFC 8417): such a one has no nonce, and may name a session in
    place of a subject; without, one that tells of any event is refused.

    Raises Rejected or Expired, and `providers.ProviderUnavailable` when the keys cannot be had.
    Source: decisions 46 and 53, RFC 8725.
    """
    if len(token) > LONGEST_TOKEN or not is_jwt(token):
        raise Rejected("The token is no signed JWT.")
    header, unproven = _parts(token)
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS or "crit" in header:
        raise Rejected("The token's algorithm is not allowed.")
    provider = provider_for(reading.text(unproven, "iss"))
    if provider is None:
        raise Rejected("The token's issuer is not known here.")
    _check_signature(token, alg, header.get("kid"), provider)
    expires_at = check_dates(unproven, now)
    claims = reading.allowed(unproven)
    _check_event(unproven, event)
    if not reading.text(claims, "sub") and not (event and reading.text(claims, "sid")):
        raise Rejected("The token names no subject.")
    return Token(provider, str(header.get("typ", "")).lower(), claims, expires_at)


def check_dates(claims: Mapping[str, Any], now: datetime) -> datetime:
    """Return when the claims expire. Raises Rejected or Expired."""
    issued_at, expires_at = reading.instant(claims, "iat"), reading.instant(claims, "exp")
    if issued_at is None or expires_at is None:
        raise Rejected("The token does not say from when until when it is valid.")
    if expires_at + LEEWAY <= now:
        raise Expired("The token has expired.")
    not_before = reading.instant(claims, "nbf") if "nbf" in claims else issued_at
    if not_before is None or max(not_before, issued_at) - LEEWAY > now:
        raise Rejected("The token is not valid yet.")
    if not timedelta() < expires_at - issued_at <= LONGEST_LIFE:
        raise Rejected("The token lives longer than an hour.")
    return expires_at


def _check_event(claims: Mapping[str, Any], event: str) -> None:
    events = claims.get("events")
    if not event:
        if events is not None:
            raise Rejected("The token tells of an event and is no sign-in.")
    elif not isinstance(events, dict) or not isinstance(events.get(event), dict) or "nonce" in claims:
        raise Rejected("The token does not tell of what it was sent for.")


def _check_signature(token: str, alg: str, kid: Any, provider: Provider) -> None:
    for fresh in (False, True):  # a key nobody knows may be a new one
        found = _key(keys_of(provider, fresh=fresh), alg, kid)
        if found is not None:
            break
    else:
        raise Rejected("The token is signed with a key its issuer does not publish.")
    try:
        _jws.decode_complete(token, found.key, algorithms=[alg])
    except (PyJWTError, ValueError, TypeError):
        raise Rejected("The token's signature does not hold.") from None


def _key(keys: Mapping[str, PublicKey], alg: str, kid: Any) -> PublicKey | None:
    """Choose by kid; without one only where exactly one key fits."""
    if isinstance(kid, str) and kid:
        found = keys.get(kid)
        return found if found is not None and _fits(found, alg) else None
    fitting = [each for each in keys.values() if _fits(each, alg)]
    return fitting[0] if len(fitting) == 1 else None


def _fits(key: PublicKey, alg: str) -> bool:
    if key.alg and key.alg != alg:
        return False
    if isinstance(key.key, RSAPublicKey):
        return alg in _RSA and key.key.key_size >= LEAST_RSA_BITS
    if isinstance(key.key, EllipticCurvePublicKey):
        return _CURVES.get(alg) == key.key.curve.name
    return isinstance(key.key, Ed25519PublicKey) and alg == "EdDSA"


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        header = jwt.get_unverified_header(token)
        payload = json.loads(_segment(token.split(".")[1]), parse_constant=_no_constant)
    except (PyJWTError, ValueError, RecursionError):
        raise Rejected("The token cannot be read.") from None
    if not isinstance(payload, dict):
        raise Rejected("The token cannot be read.")
    return dict(header), payload


def _segment(text: str) -> bytes:
    return jwt.utils.base64url_decode(text.encode("ascii"))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")  # NaN would make every comparison of dates come out false
