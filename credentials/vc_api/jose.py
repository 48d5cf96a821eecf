"""Credentials and presentations as JOSE with a key from a file: what the W3C VC-JOSE-COSE suite asks of a command.

Signatures only: no dates, no status, nobody asked, no database. Issuing with the service's own keys is
`credentials.general`. Source: VC-JOSE-COSE 1.0 (3.1, 3.3, 4.1); RFC 7515, 7518; spec credentials.md 5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt

from credentials import strict_json, vcdm
from credentials.defined import undefined_member
from credentials.multikey import from_b64url

MAXIMUM_BYTES = 256 * 1024
_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
_ENVELOPES = ("application/vc+jwt", "application/vc+sd-jwt", "application/vc+cose", "application/jwt")


class Result(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    INDETERMINATE = "indeterminate"  # nothing was found out: a feature that we do not have


class Feature(StrEnum):
    CREDENTIAL = "credential_jose"
    PRESENTATION = "presentation_jose"


@dataclass(frozen=True)
class Outcome:
    """`data` is the token that was made, the document that was proven, or why it failed."""

    result: Result
    data: str

    def as_json(self) -> dict[str, str]:
        return {"result": str(self.result), "data": self.data}


class Failed(Exception):
    """The credential, presentation or key is not what the specification asks for; the text says in what."""


@dataclass(frozen=True)
class _Key:
    """A verification method: its name, and its key ready for PyJWT."""

    id: str
    algorithm: str
    key: Any


def issue(document: str, key: str, feature: str) -> Outcome:
    """Return the document as a JWT signed with the secret half of the verification method (or JWK) in `key`."""
    if feature not in list(Feature):
        return _unknown(feature)
    try:
        unsigned, method = _json(document, "input"), _key(key, secret=True)
        _check_document(unsigned, Feature(feature))
        header = {"typ": _media_type(feature), "cty": _media_type(feature).partition("+")[0], "kid": method.id}
        body = json.dumps({**unsigned, **_registered(unsigned)}, separators=(",", ":"), ensure_ascii=False).encode()
        token = jwt.PyJWS().encode(body, method.key, algorithm=method.algorithm, headers=header)
    except (Failed, jwt.PyJWTError) as error:
        return Outcome(Result.FAILURE, str(error))
    return Outcome(Result.SUCCESS, token)


def verify(token: str, key: str, feature: str) -> Outcome:
    """Say whether the key in `key` made this token and the document inside is one; dates are not looked at."""
    if feature not in list(Feature):
        return _unknown(feature)
    try:
        return Outcome(Result.SUCCESS, json.dumps(_verified(token.strip(), _key(key, secret=False), Feature(feature))))
    except (Failed, jwt.PyJWTError) as error:
        return Outcome(Result.FAILURE, str(error))


def _verified(token: str, method: _Key, feature: Feature) -> dict[str, Any]:
    if not token.isascii() or len(token) > MAXIMUM_BYTES or token.count(".") != 2:
        raise Failed("no compact JWT: it has no signature")
    header, payload = (_json(_decoded(part), "token") for part in token.split(".")[:2])
    _check_header(header, feature)
    # `detached_payload` and header extensions stay off: what is not known here is refused, not skipped.
    jwt.PyJWS(algorithms=[method.algorithm]).decode(token, method.key, algorithms=[method.algorithm])
    _check_shape(payload, feature)
    _check_registered(payload)
    return payload


def _check_document(document: Mapping[str, Any], feature: Feature) -> None:
    _check_shape(document, feature)
    if feature is Feature.PRESENTATION:
        return  # what it shows is secured by others, in envelopes that are not opened here
    problem = vcdm.problem(document)
    if problem:
        raise Failed(problem)
    undefined = undefined_member(document)
    if undefined:
        raise Failed(f"no context defines the member {undefined[:60]!r}")


def _check_header(header: Mapping[str, Any], feature: Feature) -> None:
    wanted = _media_type(feature)
    if str(header.get("typ", wanted)).removeprefix("application/") != wanted:
        raise Failed(f"typ is not {wanted}")
    if str(header.get("cty", wanted)).removeprefix("application/") not in (wanted, wanted.partition("+")[0]):
        raise Failed(f"cty is not {wanted.partition('+')[0]}")
    if "crit" in header or "b64" in header:
        raise Failed("the header asks for an extension that nobody here knows")


def _check_shape(document: Mapping[str, Any], feature: Feature) -> None:
    """What both directions ask of a document; a credential that is issued is held against the whole data model."""
    if "vc" in document or "vp" in document:
        raise Failed("a token of data model 2.0 carries no vc or vp claim")
    contexts, types = document.get("@context"), document.get("type")
    if not isinstance(contexts, list) or contexts[:1] != ["https://www.w3.org/ns/credentials/v2"]:
        raise Failed("@context does not begin with https://www.w3.org/ns/credentials/v2")
    wanted = "VerifiableCredential" if feature is Feature.CREDENTIAL else "VerifiablePresentation"
    if wanted not in (types if isinstance(types, list) else [types]):
        raise Failed(f"type does not name a {wanted}")
    if feature is Feature.CREDENTIAL:
        if not document.get("issuer") or not document.get("credentialSubject"):
            raise Failed("a credential has an issuer and a credentialSubject")
        return
    held = document.get("verifiableCredential", [])
    for each in held if isinstance(held, list) else [held]:
        _check_envelope(each)


def _check_envelope(held: object) -> None:
    """Credentials in a presentation are secured, by JOSE or COSE in an envelope. Source: VC-JOSE-COSE 3.1.2."""
    if not isinstance(held, dict) or held.get("type") not in (
        "EnvelopedVerifiableCredential",
        ["EnvelopedVerifiableCredential"],
    ):
        raise Failed("a credential in the presentation is not enveloped")
    scheme, _, rest = str(held.get("id", "")).partition(":")
    if scheme != "data" or rest.partition(",")[0].partition(";")[0] not in _ENVELOPES or not rest.partition(",")[2]:
        raise Failed("the id of an enveloped credential is no data: URL of one")


def _registered(document: Mapping[str, Any]) -> dict[str, str]:
    """The registered claims that say the same as the document."""
    named = document.get("issuer", document.get("holder"))
    issuer = named.get("id") if isinstance(named, dict) else named
    return {
        **({"iss": issuer} if isinstance(issuer, str) else {}),
        **({"jti": document["id"]} if isinstance(document.get("id"), str) else {}),
    }


def _check_registered(payload: Mapping[str, Any]) -> None:
    for name, value in _registered({key: each for key, each in payload.items() if key != "jti"}).items():
        if payload.get(name, value) != value:
            raise Failed(f"{name} says something else than the document")


def _key(text: str, *, secret: bool) -> _Key:
    """Read a verification method with `publicKeyJwk` and `secretKeyJwk`, or a JWK."""
    method = _json(text, "key")
    jwk = method.get("secretKeyJwk" if secret else "publicKeyJwk", method)
    algorithm = _ALGORITHMS.get(str(jwk.get("crv"))) if isinstance(jwk, dict) else None
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or (secret and "d" not in jwk):
        raise Failed("the key is none of " + ", ".join(_ALGORITHMS))
    reader = jwt.algorithms.get_default_algorithms()[algorithm]
    parts = {name: value for name, value in jwk.items() if secret or name != "d"}
    try:
        return _Key(str(method.get("id") or jwk.get("kid", "")), algorithm, reader.from_jwk(parts))
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Failed("the key cannot be read") from error


def _json(text: str | bytes, what: str) -> dict[str, Any]:
    if len(text) > MAXIMUM_BYTES:
        raise Failed(f"the {what} is longer than {MAXIMUM_BYTES} bytes")
    try:
        found = strict_json.read(text)
    except strict_json.NotReadable as error:
        raise Failed(f"the {what} is no JSON") from error
    if not isinstance(found, dict):
        raise Failed(f"the {what} is no JSON object")
    return found


def _decoded(part: str) -> bytes:
    try:
        return from_b64url(part)
    except ValueError as error:
        raise Failed("the token is no base64url") from error


def _media_type(feature: str) -> str:
    return "vc+jwt" if feature == Feature.CREDENTIAL else "vp+jwt"


def _unknown(feature: str) -> Outcome:
    return Outcome(Result.INDETERMINATE, f"{feature} is none of " + ", ".join(Feature))
