"""Reading a JWT that a stranger hands us: strictly, within bounds, before anything in it is believed. Pure.

Whatever is wrong ends in `Disbelieved` with a reason of the closed set, never in another exception.
Source: RFC 7515, RFC 7519, VCDM 1.1 (6.3.1), VC-JOSE-COSE; spec credentials.md 1 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from credentials import content, problems, strict_json
from credentials.content import Content, malformed
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

_verifier = jwt.PyJWS(algorithms=list(ALGORITHMS))


@dataclass(frozen=True)
class Token:
    """A credential as a compact JWT. Nothing of its content is proven until `made_by` has said yes."""

    text: str
    algorithm: str
    kid: str
    model_1_1: bool
    content: Content

    def made_by(self, key: PublicKey) -> bool:
        """Whether the key made this signature with the algorithm the header names, and the key is one for it."""
        return is_signed_by(key, self.text, self.algorithm)


def read(text: str, *, maximum_bytes: int = MAXIMUM_BYTES, general: bool = False) -> Token:
    """Return the token; raise Disbelieved (MALFORMED, ALG_NOT_ALLOWED, BAD_SIGNATURE for a signature that can be none).

    The signature's form comes before the payload's: an unsigned sample is a bad signature, whatever else it lacks.
    `general` is that of `content.read`.
    """
    header, payload = parse(text, maximum_bytes=maximum_bytes)
    model_1_1, typ = "vc" in payload, type_of(header)
    if model_1_1 and typ != "jwt":
        raise malformed("a token of this type carries no vc claim")
    if not model_1_1 and typ not in ("vc+jwt", "vc+ld+jwt", "vc+ld+json+jwt"):
        raise malformed("neither a vc claim nor the type vc+jwt")
    credential = payload["vc"] if model_1_1 else payload
    if not isinstance(credential, dict) or "vp" in payload:
        raise malformed("the credential is no object")
    # Tokens are about that put a credential of model 2.0 into a `vc` claim.
    in_1_1 = content.is_model_1_1(credential) if general and model_1_1 else model_1_1
    said = content.read(credential, model_1_1=in_1_1, registered=payload, general=general)
    if general:
        content.agreeing(payload.get("jti"), credential.get("id"), "the credential's id")
    return Token(text, header["alg"], header.get("kid", ""), model_1_1, said)


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
        raise malformed("typ is no text")
    return typ.lower().removeprefix("application/")


def is_signed_by(key: PublicKey, text: str, algorithm: str) -> bool:
    """Whether the key made the signature of any compact JWT with this algorithm, and is a key for it."""
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
        raise _unreadable("no compact JWT")
    if len(text) > maximum_bytes:
        raise _unreadable(f"longer than {maximum_bytes} bytes")
    parts = text.split(".")
    if len(parts) != 3:
        raise _unreadable("a compact JWT has three parts")
    return _object(parts[0], "header"), _object(parts[1], "payload"), parts[2]


def _object(segment: str, name: str) -> dict[str, Any]:
    try:
        found = strict_json.read(from_b64url(segment).decode())
    except ValueError as error:
        raise _unreadable(f"the {name} is no JSON") from error
    if not isinstance(found, dict):
        raise _unreadable(f"the {name} is no JSON object")
    return found


def _unreadable(detail: str) -> Disbelieved:
    return Disbelieved(Reason.MALFORMED, detail, problem=problems.PARSING)


def _algorithm(header: Mapping[str, Any], allowed: Sequence[str]) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise Disbelieved(Reason.ALG_NOT_ALLOWED, "the algorithm is not one of " + ", ".join(allowed))
    if "crit" in header or "b64" in header:
        raise malformed("the header asks for an extension that nobody here knows")
    if not isinstance(header.get("kid", ""), str):
        raise malformed("kid is no text")
    return algorithm


def _check_signature_form(signature: str, algorithm: str) -> None:
    try:
        length = len(from_b64url(signature))
    except ValueError as error:
        raise Disbelieved(Reason.BAD_SIGNATURE, "the signature is no base64url") from error
    if length not in _SIGNATURE_BYTES[algorithm]:
        raise Disbelieved(Reason.BAD_SIGNATURE, f"{length} bytes are no {algorithm} signature")
