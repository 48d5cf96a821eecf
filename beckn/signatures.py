"""The network's HTTP signature: digest, signing string, sign, parse, verify. Pure: no clock, no look-ups, no Django.

    Authorization: Signature keyId="{subscriber}|{key id}|ed25519",algorithm="ed25519",created="<s>",expires="<s>",
                   headers="(created) (expires) digest",signature="<std base64>"
    signing string: (created): C LF (expires): E LF digest: BLAKE-512=<std base64 of BLAKE2b-512(raw body)>

The label says BLAKE-512 although the hash is BLAKE2b-512. Source: spec/wire.md 1, both published vectors are tests.
"""

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALGORITHM = "ed25519"
COVERED = ("(created)", "(expires)", "digest")
# A newer adapter signs ACKs and solicited callbacks together with the request's signature, as a fourth line.
FOURTH_LINE = ("request-signature", "(request-signature)")
WELL_KNOWN_PUBLIC_KEYS = frozenset(
    (
        "awGPjRK6i/Vg/lWr+0xObclVxlwZXvTjWYtlu6NeOHk=",  # vector 1 of wire.md
        "l0/NX8ztKcPr4Q2obCQgBqPsV0cfb73xOfako5OL/CU=",  # vector 2, whose seed is published too
    )
)
MAX_HEADER_CHARACTERS = 4096
_PARAMETER = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))\s*(?:,|$)')
_NEEDED = ("keyId", "algorithm", "created", "expires", "headers", "signature")


class BadSignature(Exception):
    """The message is not proven. `check` names the check that failed, the text says it for the sender's engineer.

    `facts` are the numbers of it, for the journal: seconds and what is allowed, nothing of the message.
    """

    def __init__(self, check: str, message: str, **facts: int | str) -> None:
        super().__init__(message)
        self.check = check
        self.message = message
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Signature:
    """A parsed header. `created` and `expires` in Unix seconds; `covered` in the order in which they were signed."""

    subscriber_id: str
    key_id: str
    created: int
    expires: int
    covered: tuple[str, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """How far ahead `created` may be and how long a signature may live, both in seconds."""

    ahead_seconds: int = 5
    lifetime_seconds: int = 3600


def digest(body: bytes) -> str:
    """Return the standard base64 of BLAKE2b-512 over the body (88 characters)."""
    return base64.b64encode(hashlib.blake2b(body, digest_size=64).digest()).decode()


def signing_string(
    created: int,
    expires: int,
    body_digest: str,
    *,
    covered: tuple[str, ...] = COVERED,
    request_signature: str | None = None,
) -> bytes:
    """Return the bytes that are signed: one line per covered name, LF between them and none at the end."""
    lines = {
        "(created)": f"(created): {created}",
        "(expires)": f"(expires): {expires}",
        "digest": f"digest: BLAKE-512={body_digest}",
    }
    for name in FOURTH_LINE:
        if request_signature is not None:
            lines[name] = f"{name}: {request_signature}"
    return "\n".join(lines[name] for name in covered).encode()


def sign(
    body: bytes,
    *,
    subscriber_id: str,
    key_id: str,
    seed: str,
    created: datetime,
    lifetime_seconds: int = 300,
    request_signature: str | None = None,
) -> str:
    """Return the header value for exactly these bytes.

    `seed` is base64 of a 32-byte seed or of the 64-byte libsodium form. With `request_signature` (the signature
    parameter of the message that is answered) the four-line form is made. Raises ValueError for a malformed seed.
    """
    start = int(created.timestamp())
    end = start + lifetime_seconds
    covered = COVERED if request_signature is None else (*COVERED, FOURTH_LINE[0])
    text = signing_string(start, end, digest(body), covered=covered, request_signature=request_signature)
    signature = base64.b64encode(private_key(seed).sign(text)).decode()
    return (
        f'Signature keyId="{subscriber_id}|{key_id}|{ALGORITHM}",algorithm="{ALGORITHM}",created="{start}",'
        f'expires="{end}",headers="{" ".join(covered)}",signature="{signature}"'
    )


def parse(header: str) -> Signature:
    """Read a header tolerantly: spaces between parameters, unquoted numbers, any order. Raises BadSignature."""
    if len(header) > MAX_HEADER_CHARACTERS:
        raise BadSignature("header", f"the header is longer than {MAX_HEADER_CHARACTERS} characters")
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "signature" or not rest:
        raise BadSignature("header", "the header does not start with the scheme Signature")
    found = _parameters(rest)
    missing = [name for name in _NEEDED if name.lower() not in found]
    if missing:
        raise BadSignature("header", f"missing in the header: {', '.join(missing)}")
    subscriber_id, key_id = _key_id(found["keyid"], found["algorithm"])
    covered = tuple(found["headers"].lower().split())
    extra = set(covered) - set(COVERED)
    if len(set(covered)) != len(covered) or not set(COVERED) <= set(covered) or not extra <= set(FOURTH_LINE):
        raise BadSignature("headers", f'headers should be "{" ".join(COVERED)}"')
    return Signature(
        subscriber_id=subscriber_id,
        key_id=key_id,
        created=_seconds(found["created"], "created"),
        expires=_seconds(found["expires"], "expires"),
        covered=covered,
        signature=_bytes(found["signature"]),
    )


def check_times(signature: Signature, *, now: datetime, limits: Limits) -> None:
    """Raise BadSignature when the signature is from the future, over, or made to live too long."""
    clock = now.timestamp()
    times = f"created {signature.created}, expires {signature.expires}, our clock {int(clock)}"
    if signature.created > clock + limits.ahead_seconds:
        ahead = math.ceil(signature.created - clock)
        words = f"created lies in the future ({times})"
        raise BadSignature("created", words, why="AHEAD", seconds=ahead, allowed_seconds=limits.ahead_seconds)
    if signature.expires < clock:
        over = math.ceil(clock - signature.expires)
        raise BadSignature("expires", f"the signature has expired ({times})", why="OVER", seconds=over)
    if signature.expires < signature.created:
        raise BadSignature("expires", f"expires lies before created ({times})", why="BACKWARDS")
    if signature.expires - signature.created > limits.lifetime_seconds:
        lifetime, most = signature.expires - signature.created, limits.lifetime_seconds
        words = f"a signature may live at most {most} s ({times})"
        raise BadSignature("expires", words, why="TOO_LONG", seconds=lifetime, allowed_seconds=most)


def verify(
    signature: Signature,
    body: bytes | str,
    public_key: str,
    *,
    now: datetime,
    limits: Limits,
    request_signature: str | None = None,
) -> None:
    """Raise BadSignature unless the signature is good for these bytes, this key (base64 of 32 bytes) and this moment.

    `body` may be given as its digest (a str) where it was computed already.
    """
    check_times(signature, now=now, limits=limits)
    if set(signature.covered) & set(FOURTH_LINE) and request_signature is None:
        raise BadSignature("headers", "request-signature is covered, but this message answers no request")
    body_digest = body if isinstance(body, str) else digest(body)
    text = signing_string(
        signature.created,
        signature.expires,
        body_digest,
        covered=signature.covered,
        request_signature=request_signature,
    )
    try:
        read_public_key(public_key).verify(signature.signature, text)
    except InvalidSignature:
        raise BadSignature(
            "signature",
            f"the signature does not fit the body and key {signature.subscriber_id}|{signature.key_id} "
            f"(created {signature.created}, expires {signature.expires}, our clock {int(now.timestamp())}, "
            f"our digest BLAKE-512={body_digest})",
        ) from None


@lru_cache(maxsize=1024)
def read_public_key(text: str) -> Ed25519PublicKey:
    """Return the key of base64 text; raises ValueError when it is not 32 bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the public key is not base64") from None
    if len(raw) != 32:
        raise ValueError(f"the public key has {len(raw)} bytes, an Ed25519 key has 32")
    return Ed25519PublicKey.from_public_bytes(raw)


@lru_cache(maxsize=32)
def private_key(seed: str) -> Ed25519PrivateKey:
    """Return the key of a base64 seed (32 bytes) or of the libsodium form (64 bytes: seed and public key)."""
    try:
        raw = base64.b64decode(seed, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the signing key is not base64") from None
    if len(raw) not in (32, 64):
        raise ValueError(f"the signing key has {len(raw)} bytes; 32 (seed) or 64 (libsodium) are needed")
    key = Ed25519PrivateKey.from_private_bytes(raw[:32])
    if len(raw) == 64 and key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) != raw[32:]:
        raise ValueError("the second half of the signing key is not the public key of its first half")
    return key


def public_key_of(seed: str) -> str:
    """Return the base64 public key that belongs to a seed."""
    return base64.b64encode(private_key(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def challenge(realm: str) -> str:
    """Return the value of WWW-Authenticate (or Proxy-Authenticate) for a 401."""
    return f'Signature realm="{realm}",headers="{" ".join(COVERED)}"'


def _parameters(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise BadSignature("header", f"the header cannot be read from character {at} of its parameters")
        name = match[1].lower()
        if name in found:
            raise BadSignature("header", f"{match[1]} stands in the header twice")
        found[name] = match[2] if match[2] is not None else match[3]
        at = match.end()
    return found


def _key_id(key_id: str, algorithm: str) -> tuple[str, str]:
    parts = key_id.split("|")
    if len(parts) != 3 or not all(parts) or any(len(part) > 255 or "\x00" in part for part in parts):
        raise BadSignature("keyId", f'keyId should read "subscriber_id|key_id|{ALGORITHM}"')
    if parts[2].lower() != ALGORITHM or algorithm.lower() != parts[2].lower():
        raise BadSignature("algorithm", f"algorithm should be {ALGORITHM}, in keyId and as parameter")
    return parts[0], parts[1]


def _seconds(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise BadSignature(name, f"{name} should be whole Unix seconds")
    return int(text)


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("signature", "the signature is not standard base64") from None
    if len(raw) != 64:
        raise BadSignature("signature", f"the signature has {len(raw)} bytes, an Ed25519 signature has 64")
    return raw
