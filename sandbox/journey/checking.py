"""Is this credential good? From its issuer's DID document and status lists, with PyJWT; nothing is kept."""

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import jwt

from sandbox.journey import wire
from sandbox.journey.wire import Clock

ALGORITHMS = ("ES256", "EdDSA", "RS256")
LIST_BYTES = 131_072 // 8


class NotGood(Exception):
    """The credential cannot be believed; the text says why."""


@dataclass(frozen=True)
class Checked:
    """What a credential says after all checks. `status` has one truth per purpose, like {"revocation": False}."""

    issuer: str
    subject: str
    type: str
    claims: Mapping[str, Any]
    status: Mapping[str, bool]

    @property
    def is_good(self) -> bool:
        return not any(self.status.values())


def check(token: str, *, issuer: str, clock: Clock) -> Checked:
    """Verify signature, issuer, dates and status of a 1.1 or 2.0 JWT. Raises NotGood unless only its status is bad."""
    payload = _payload(token, issuer, clock)
    credential = payload.get("vc", payload)
    entries = credential.get("credentialStatus") or []
    entries = entries if isinstance(entries, list) else [entries]
    if {entry["statusPurpose"] for entry in entries} != {"revocation", "suspension"}:
        raise NotGood("the credential does not carry one entry for revocation and one for suspension")
    subject = credential["credentialSubject"]
    return Checked(
        issuer=issuer,
        subject=subject["id"],
        type=credential["type"][-1],
        claims=subject,
        status={entry["statusPurpose"]: _bit(entry, issuer, clock) for entry in entries},
    )


def unverified(token: str) -> dict[str, Any]:
    """The payload as it stands there, for a token that has been checked."""
    payload: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return payload


def did_document(did: str) -> Any:
    """did:web over HTTP for a loopback host, HTTPS for all others."""
    if not did.startswith("did:web:"):
        raise NotGood(f"{did} is no did:web")
    host, *path = (unquote(part) for part in did.removeprefix("did:web:").split(":"))
    scheme = "http" if host.partition(":")[0] in ("127.0.0.1", "localhost") else "https"
    place = "/".join(path) if path else ".well-known"
    reply = wire.call(f"{scheme}://{host}/{place}/did.json")
    if reply.status != 200 or reply.json().get("id") != did:
        raise NotGood(f"{did} has no document")
    return reply.json()


def _payload(token: str, issuer: str, clock: Clock) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    kid = str(header.get("kid", ""))
    if kid.partition("#")[0] != issuer:
        raise NotGood(f"signed under {kid}, not by {issuer}")
    document = did_document(issuer)
    method = next((m for m in document["verificationMethod"] if m["id"] == kid and "publicKeyJwk" in m), None)
    if method is None:
        methods = [m for m in document["verificationMethod"] if "publicKeyJwk" in m]
        # The 1.1 form names the Multikey twin of a key; its JWK is the method that verifies.
        method = next((m for m in methods if _verifies(token, m["publicKeyJwk"])), None)
        if method is None or kid not in document["assertionMethod"]:
            raise NotGood(f"{kid} is not in the issuer's DID document")
    if not _verifies(token, method["publicKeyJwk"]):
        raise NotGood("the signature is wrong")
    payload = unverified(token)
    now = clock.now().timestamp()
    if payload.get("nbf", payload.get("iat", 0)) > now + 60:
        raise NotGood("it is not valid yet")
    if payload.get("exp", now + 1) <= now:
        raise NotGood("it has expired")
    named = payload.get("iss", payload.get("issuer"))
    if named != issuer:
        raise NotGood(f"it names {named} as its issuer")
    return payload


def _verifies(token: str, jwk: Mapping[str, Any]) -> bool:
    key = jwt.PyJWK({**jwk})
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        jwt.decode(token, key, algorithms=list(ALGORITHMS), options=options)
    except jwt.PyJWTError:
        return False
    return True


def _bit(entry: Mapping[str, Any], issuer: str, clock: Clock) -> bool:
    url = entry["statusListCredential"]
    reply = wire.call(url, headers={"Accept": "application/vc+jwt"})
    if reply.status != 200:
        raise NotGood(f"the status list {url} answers {reply.status}")
    content = _payload(reply.body.decode(), issuer, clock)
    listed = content["credentialSubject"]
    if content["id"] != url or listed["statusPurpose"] != entry["statusPurpose"]:
        raise NotGood(f"{url} is another list")
    encoded = listed["encodedList"]
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-(len(encoded) - 1) % 4)))
    if not encoded.startswith("u") or len(bits) < LIST_BYTES:
        raise NotGood(f"{url} is too small to hide in")
    index = int(entry["statusListIndex"])
    return bool(bits[index >> 3] & (0x80 >> (index & 7)))
