"""The Beckn wire from the sender's side: sign, send, verify. Source: spec/wire.md 1 and 2."""

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LIFETIME_SECONDS = 300
_PARAMETER = re.compile(r'([A-Za-z]+)="([^"]*)"')


class BadSignature(Exception):
    """The message is not signed as it says."""


@dataclass(frozen=True)
class Clock:
    """The deployment's time: the wall clock plus its offset."""

    offset_seconds: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """One HTTP call; any status is a reply. Raises OSError when nobody answers."""
    request = urllib.request.Request(url, body, dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return Reply(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, dict(error.headers), error.read())


def authorization(body: bytes, *, subscriber_id: str, key_id: str, seed: str, now: datetime) -> str:
    """The Authorization header over exactly these bytes; `seed` is base64 of 32 bytes."""
    created = int(now.timestamp())
    expires = created + LIFETIME_SECONDS
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))
    signature = base64.b64encode(key.sign(_signing_string(body, created, expires))).decode()
    return (
        f'Signature keyId="{subscriber_id}|{key_id}|ed25519",algorithm="ed25519",created="{created}",'
        f'expires="{expires}",headers="(created) (expires) digest",signature="{signature}"'
    )


def signer_of(header: str) -> tuple[str, str]:
    """(subscriber id, key id) that a header claims. Raises BadSignature when it claims none."""
    parts = _parameters(header).get("keyId", "").split("|")
    if len(parts) != 3:
        raise BadSignature("the header names no signer")
    return parts[0], parts[1]


def verify(header: str, body: bytes, *, public_key: str, now: datetime) -> None:
    """Raises BadSignature with the first thing that is wrong."""
    parameters = _parameters(header)
    try:
        created, expires = int(parameters["created"]), int(parameters["expires"])
        signature = base64.b64decode(parameters["signature"], validate=True)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
    except (KeyError, ValueError) as error:
        raise BadSignature(f"the header cannot be read: {error}") from None
    if created > now.timestamp() + 5 or expires < now.timestamp():
        raise BadSignature(f"signed from {created} to {expires}, our clock says {int(now.timestamp())}")
    try:
        key.verify(signature, _signing_string(body, created, expires))
    except InvalidSignature:
        raise BadSignature("the signature does not fit the body and the key") from None


def _signing_string(body: bytes, created: int, expires: int) -> bytes:
    digest = base64.b64encode(hashlib.blake2b(body, digest_size=64).digest()).decode()
    return f"(created): {created}\n(expires): {expires}\ndigest: BLAKE-512={digest}".encode()


def _parameters(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    return dict(_PARAMETER.findall(rest)) if scheme == "Signature" else {}
