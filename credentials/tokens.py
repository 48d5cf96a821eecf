"""Reading a JWT that a stranger hands us: strictly, within bounds, before anything in it is believed. Pure.

Whatever is wrong ends in `Disbelieved` with a reason of the closed set, never in another exception.
Source: RFC 7515, RFC 7519, VCDM 1.1 (6.3.1), VCDM 2.0, VC-JOSE-COSE; spec credentials.md 1 and 4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from credentials.claims import CONTEXT_V1, CONTEXT_V2
from credentials.multikey import PublicKey, algorithms_of, from_b64url
from credentials.reasons import Disbelieved, Reason

MAXIMUM_BYTES = 16 * 1024
_SIGNATURE_BYTES = {
    "ES256": range(64, 65),
    "ES384": range(96, 97),
    "EdDSA": range(64, 65),
    "RS256": range(256, 1025),
    "PS256": range(256, 1025),
}
ALGORITHMS = tuple(_SIGNATURE_BYTES)
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z

_verifier = jwt.PyJWS(algorithms=list(ALGORITHMS))


@dataclass(frozen=True)
class Token:
    """A token that could be read; nothing of it is proven until `verify_signature` has returned.

    `credential` is the credential in either data model, `starts` and `ends` all moments it names for its validity.
    """

    text: str
    algorithm: str
    kid: str
    issuer: str
    credential: Mapping[str, Any]
    types: tuple[str, ...]
    subject: Mapping[str, Any]
    subject_id: str
    starts: tuple[datetime, ...]
    ends: tuple[datetime, ...]
    has_token_status: bool

    @property
    def valid_from(self) -> datetime | None:
        return max(self.starts, default=None)

    @property
    def valid_until(self) -> datetime | None:
        return min(self.ends, default=None)


def read(text: str, *, maximum_bytes: int = MAXIMUM_BYTES) -> Token:
    """Return the token; raise Disbelieved (MALFORMED, ALG_NOT_ALLOWED, BAD_SIGNATURE for a signature that can be none).

    The signature's form comes before the payload's: an unsigned sample is a bad signature, whatever else it lacks.
    """
    header, payload = parse(text, maximum_bytes=maximum_bytes)
    model_1_1, typ = "vc" in payload, type_of(header)
    if model_1_1 and typ != "jwt":
        raise _malformed("a token of this type carries no vc claim")
    if not model_1_1 and typ not in ("vc+jwt", "vc+ld+jwt", "vc+ld+json+jwt"):
        raise _malformed("neither a vc claim nor the type vc+jwt")
    return _token(text, header["alg"], header, payload, model_1_1)


def parse(
    text: str, *, maximum_bytes: int, algorithms: Sequence[str] = ALGORITHMS
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and payload of any compact JWT: a signature of the right form is there, what it says is not read.

    Raises Disbelieved like `read`.
    """
    header, payload, signature = _segments(text, maximum_bytes)
    _check_signature_form(signature, _algorithm(header, algorithms))
    return header, payload


def type_of(header: Mapping[str, Any]) -> str:
    """Return `typ` in small letters without "application/"; "jwt" where the header is silent."""
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str):
        raise _malformed("typ is no text")
    return typ.lower().removeprefix("application/")


def verify_signature(token: Token, key: PublicKey) -> bool:
    """Whether the key made this signature with the algorithm the header names, and the key is one for it."""
    return is_signed_by(key, token.text, token.algorithm)


def is_signed_by(key: PublicKey, text: str, algorithm: str) -> bool:
    """The same of any compact JWT."""
    if algorithm not in algorithms_of(key):
        return False
    signed, _, signature = text.rpartition(".")
    # Not PyJWT's decode: it looks at every character in Python, and `read` has done so already.
    try:
        return _verifier.get_algorithm_by_name(algorithm).verify(signed.encode("ascii"), key, from_b64url(signature))
    except (jwt.PyJWTError, ValueError, TypeError):
        return False


def _segments(text: str, maximum_bytes: int) -> tuple[dict[str, Any], dict[str, Any], str]:
    if not isinstance(text, str) or not text.isascii():
        raise _malformed("no compact JWT")
    if len(text) > maximum_bytes:
        raise _malformed(f"longer than {maximum_bytes} bytes")
    parts = text.split(".")
    if len(parts) != 3:
        raise _malformed("a compact JWT has three parts")
    return _object(parts[0], "header"), _object(parts[1], "payload"), parts[2]


def _object(segment: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(from_b64url(segment).decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        # What a database column cannot hold would fail far from here: null characters, halves of surrogate pairs.
        storable = "\\u0000" not in json.dumps(found) and json.dumps(found, ensure_ascii=False).encode() is not None
    except (ValueError, RecursionError) as error:
        raise _malformed(f"the {name} is no JSON") from error
    if not isinstance(found, dict) or not storable:
        raise _malformed(f"the {name} is no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")  # two readers could each take another one
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _algorithm(header: Mapping[str, Any], allowed: Sequence[str]) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise Disbelieved(Reason.ALG_NOT_ALLOWED, "the algorithm is not one of " + ", ".join(allowed))
    if "crit" in header or "b64" in header:
        raise _malformed("the header asks for an extension that nobody here knows")
    if not isinstance(header.get("kid", ""), str):
        raise _malformed("kid is no text")
    return algorithm


def _check_signature_form(signature: str, algorithm: str) -> None:
    try:
        length = len(from_b64url(signature))
    except ValueError as error:
        raise Disbelieved(Reason.BAD_SIGNATURE, "the signature is no base64url") from error
    if length not in _SIGNATURE_BYTES[algorithm]:
        raise Disbelieved(Reason.BAD_SIGNATURE, f"{length} bytes are no {algorithm} signature")


def _token(text: str, algorithm: str, header: Mapping[str, Any], payload: Mapping[str, Any], model_1_1: bool) -> Token:
    credential = payload["vc"] if model_1_1 else payload
    if not isinstance(credential, dict) or "vp" in payload:
        raise _malformed("the credential is no object")
    _check_context(credential, CONTEXT_V1 if model_1_1 else CONTEXT_V2)
    subject = _one_object(credential.get("credentialSubject"), "credentialSubject")
    return Token(
        text=text,
        algorithm=algorithm,
        kid=header.get("kid", ""),
        issuer=_issuer(payload, credential),
        credential=credential,
        types=_types(credential),
        subject=subject,
        subject_id=agreeing(payload.get("sub"), subject.get("id"), "the subject"),
        starts=_moments(payload, credential, ("nbf", "iat"), ("issuanceDate",) if model_1_1 else ("validFrom",)),
        ends=_moments(payload, credential, ("exp",), ("expirationDate",) if model_1_1 else ("validUntil",)),
        has_token_status="status" in payload,
    )


def _check_context(credential: Mapping[str, Any], wanted: str) -> None:
    contexts = credential.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != wanted:
        raise _malformed(f"@context does not begin with {wanted}")


def _issuer(payload: Mapping[str, Any], credential: Mapping[str, Any]) -> str:
    named = credential.get("issuer")
    if isinstance(named, dict):
        named = named.get("id", "")
    issuer = agreeing(payload.get("iss"), named, "the issuer")
    if not issuer or len(issuer) > 500:
        raise _malformed("no issuer")
    return issuer


def agreeing(one: object, other: object, what: str) -> str:
    """The text two places agree on; one of them may be silent."""
    named = [each for each in (one, other) if each is not None]
    if any(not isinstance(each, str) for each in named) or len(set(map(str, named))) > 1:
        raise _malformed(f"{what} is named twice and differently, or is no text")
    return str(named[0]) if named else ""


def _types(credential: Mapping[str, Any]) -> tuple[str, ...]:
    types = credential.get("type")
    if not isinstance(types, list) or "VerifiableCredential" not in types or len(types) > 10:
        raise _malformed("type does not name a VerifiableCredential")
    if any(not isinstance(each, str) for each in types):
        raise _malformed("a type is no text")
    return tuple(types)


def _one_object(value: object, name: str) -> Mapping[str, Any]:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict) or not value:
        raise _malformed(f"{name} is not one object")
    return value


def _moments(
    payload: Mapping[str, Any], credential: Mapping[str, Any], seconds: tuple[str, ...], texts: tuple[str, ...]
) -> tuple[datetime, ...]:
    found = [_from_seconds(payload[name], name) for name in seconds if name in payload]
    found += [_from_text(credential[name], name) for name in texts if name in credential]
    return tuple(found)


def _from_seconds(value: object, name: str) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise _malformed(f"{name} is no moment")
    return datetime.fromtimestamp(value, UTC)


def _from_text(value: object, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
        if moment is None or moment.tzinfo is None:
            raise _malformed(f"{name} is no moment with a time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _malformed(f"{name} is no moment") from error


def _malformed(detail: str) -> Disbelieved:
    return Disbelieved(Reason.MALFORMED, detail)
