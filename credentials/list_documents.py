"""The status lists of other issuers: fetched, read in whichever form they come, their signature proven.

A Bitstring list comes as `vc+jwt`, enveloped, or JSON with an embedded proof; an IETF list as `statuslist+jwt`. It
counts only if it is the issuer's own, lies where it says it lies, and is signed with a key the issuer has now. What
cannot be found out is STATUS_UNAVAILABLE.
Source: Bitstring Status List v1.0, 3.2 and 3.5; Token Status List, 5 and 8.3; spec credentials.md 3 and 4.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from credentials import asking, bitstring, content, problems, strict_json, token_list, tokens
from credentials.asking import Deadline
from credentials.issuers import NamedKey
from credentials.reasons import Disbelieved, Reason
from credentials.verifying import reading
from credentials.verifying.reading import Signature
from credentials.verifying.values import Policy, Presented

KeysOf = Callable[[str, str, str], Sequence[NamedKey]]
"""(issuer, kid, algorithm) → keys that may have signed; raises Disbelieved."""

IETF = "token"
"""The purpose of an entry that is an IETF `status` claim."""

_MAXIMUM_LIST = 512 * 1024
_MAXIMUM_VALUES = 500  # beside its one long text; what is proven is kept
_MAXIMUM_AGE_SECONDS = 60.0
_POLICY = Policy(trust=False, maximum_bytes=_MAXIMUM_LIST)
_ACCEPT_BITSTRING = (
    "application/vc+jwt, application/vc;q=0.9, application/ld+json;q=0.8, application/json;q=0.7, application/jwt;q=0.5"
)
_ACCEPT_IETF = "application/statuslist+jwt"


@dataclass(frozen=True)
class Document:
    """A list that could be read; nothing of it is proven. `purposes` of an IETF list is `IETF` alone."""

    signatures: Sequence[Signature]
    purposes: tuple[str, ...]
    valid_from: datetime | None
    valid_until: datetime | None
    packed: bytes
    bits: int
    ttl_seconds: float

    def status_at(self, index: int) -> int:
        """Return the status of an entry, 0 for one that stands; Disbelieved where the list has no such entry."""
        try:
            if IETF in self.purposes:
                return token_list.status_at(self.packed, index, self.bits)
            return int(bitstring.bit_at(self.packed, index))
        except IndexError as error:
            raise unavailable("the list has no such entry", problem=problems.RANGE) from error


@dataclass(frozen=True)
class _Proven:
    """A list whose signatures were verified, each with its key."""

    document: Document
    keys: tuple[NamedKey, ...]


def proven(url: str, purpose: str, *, issuer: str, keys_of: KeysOf, deadline: Deadline) -> Document:
    """Return the issuer's list at an address, no older than its own ttl allows; raise Disbelieved."""
    found = _prove(_fetch(url, purpose, deadline, fresh=False), url, purpose, issuer, keys_of)
    if _kept_for(url, purpose) > found.ttl_seconds:
        found = _prove(_fetch(url, purpose, deadline, fresh=True), url, purpose, issuer, keys_of)
    return found


def read(body: bytes, issuer: str, url: str, purpose: str = "") -> Document:
    """Return the list that these bytes are; Disbelieved where they are no list of this issuer and address."""
    try:
        text = body.decode().strip()
        return _read_token(text, issuer, url) if purpose == IETF else _read_bitstring(text, issuer, url)
    except UnicodeDecodeError as error:
        raise unverified("what is at the list's address is no signed list") from error
    except Disbelieved as failed:
        if failed.reason == Reason.STATUS_UNAVAILABLE:
            raise
        raise unverified(f"what is at the list's address is no signed list: {failed.detail}") from failed


def _read_bitstring(text: str, issuer: str, url: str) -> Document:
    held = reading.read(Presented.of(text), _POLICY)
    said = held.content
    if said.issuer != issuer:
        raise unverified("the list is of another issuer")
    try:
        strict_json.check_bounds(said.credential, values=_MAXIMUM_VALUES)
    except strict_json.NotReadable as error:
        raise unverified(f"the list is {error}") from error
    if said.credential.get("id", url) != url or "BitstringStatusListCredential" not in said.types:
        raise unverified("what is at the list's address is another document")
    purposes = said.subject.get("statusPurpose", "")
    purposes = purposes if isinstance(purposes, list) else [purposes]
    ends = [each for each in (said.valid_until, *held.proofs_end) if each is not None]
    return Document(
        signatures=held.signatures,
        purposes=tuple(each for each in purposes if isinstance(each, str) and each != IETF),
        valid_from=said.valid_from,
        valid_until=min(ends, default=None),
        packed=_bits(said.subject.get("encodedList")),
        bits=1,
        ttl_seconds=_seconds(said.subject.get("ttl", 300_000)) / 1000,
    )


def _bits(encoded: object) -> bytes:
    try:
        if not isinstance(encoded, str):
            raise bitstring.BadList("encodedList is no text")
        return bitstring.decode_list(encoded)
    except bitstring.TooShort as error:
        raise unavailable(f"the list cannot be read: {error}", problem=problems.STATUS_LIST_LENGTH) from error
    except bitstring.BadList as error:
        raise unverified(f"the list cannot be read: {error}") from error


def _read_token(text: str, issuer: str, url: str) -> Document:
    header, payload = tokens.parse(text, maximum_bytes=_MAXIMUM_LIST)
    if tokens.type_of(header) != "statuslist+jwt":
        raise unverified("what is at the list's address is no status list token")
    if payload.get("sub") != url or payload.get("iss", issuer) != issuer:
        raise unverified("the list is of another issuer or address")
    if "iat" not in payload:
        raise unverified("the list does not say when it was signed")
    packed, bits = _packed(payload.get("status_list"))
    return Document(
        signatures=[_Jws(text, header.get("kid", ""), header["alg"])],
        purposes=(IETF,),
        valid_from=max(content.from_seconds(payload[name], name) for name in ("iat", "nbf") if name in payload),
        valid_until=content.from_seconds(payload["exp"], "exp") if "exp" in payload else None,
        packed=packed,
        bits=bits,
        ttl_seconds=_seconds(payload.get("ttl", 300)),
    )


def _packed(named: object) -> tuple[bytes, int]:
    try:
        if not isinstance(named, Mapping):
            raise bitstring.BadList("status_list is no object")
        return token_list.decode(named.get("lst"), named.get("bits")), int(named["bits"])
    except bitstring.BadList as error:
        raise unverified(f"the list cannot be read: {error}") from error


@dataclass(frozen=True)
class _Jws:
    text: str
    kid: str
    algorithm: str

    def made_by(self, key: Any) -> bool:
        return tokens.is_signed_by(key, self.text, self.algorithm)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise unverified("the list's ttl is no duration")
    return float(value)


_Address = tuple[str, bool]  # the same address gives a Bitstring list or an IETF one, by what is asked for
_Name = tuple[bytes, str, str, bool]
_fetched: OrderedDict[_Address, tuple[bytes, float]] = OrderedDict()
_proven: OrderedDict[_Name, _Proven] = OrderedDict()
_lock = threading.Lock()
_KEPT = 32


def _fetch(url: str, purpose: str, deadline: Deadline, *, fresh: bool) -> bytes:
    try:
        body = asking.fetch(
            url,
            accept=_ACCEPT_IETF if purpose == IETF else _ACCEPT_BITSTRING,
            deadline=deadline,
            max_bytes=_MAXIMUM_LIST,
            max_age_cap=_MAXIMUM_AGE_SECONDS,
            fresh=fresh,
        )
    except asking.Unanswered as error:
        raise unavailable(f"the issuer's list is not to be had: {error}", retryable=error.retryable) from error
    address = (url, purpose == IETF)
    with _lock:
        if fresh or address not in _fetched or _fetched[address][0] is not body:
            _fetched[address] = (body, time.monotonic())
            _fetched.move_to_end(address)
            if len(_fetched) > _KEPT:
                _fetched.popitem(last=False)
    return body


def _kept_for(url: str, purpose: str) -> float:
    with _lock:
        kept = _fetched.get((url, purpose == IETF))
    return time.monotonic() - kept[1] if kept else 0.0


def _prove(body: bytes, url: str, purpose: str, issuer: str, keys_of: KeysOf) -> Document:
    """The list that these bytes are, once its signature is proven; proofs are remembered by bytes, issuer and address.

    The key is looked up every time, so that a list loses its proof with the key that made it.
    """
    name = (hashlib.sha256(body).digest(), issuer, url, purpose == IETF)
    with _lock:
        known = _proven.get(name)
    document = known.document if known else read(body, issuer, url, purpose)
    candidates = [_candidates(keys_of, issuer, each) for each in document.signatures]
    if known and all(key in each for key, each in zip(known.keys, candidates, strict=True)):
        return document
    keys = tuple(_maker(each, may) for each, may in zip(document.signatures, candidates, strict=True))
    with _lock:
        _proven[name] = _Proven(document, keys)
        if len(_proven) > _KEPT:
            _proven.popitem(last=False)
    return document


def _candidates(keys_of: KeysOf, issuer: str, signature: Signature) -> Sequence[NamedKey]:
    try:
        return keys_of(issuer, signature.kid, signature.algorithm)
    except Disbelieved as error:
        raise unverified("the list's key cannot be found", retryable=error.retryable) from error


def _maker(signature: Signature, candidates: Sequence[NamedKey]) -> NamedKey:
    try:
        found = next((each for each in candidates if signature.made_by(each.key)), None)
    except Disbelieved as failed:
        raise unverified(f"the list's signature cannot be checked: {failed.detail}") from failed
    if found is None:
        raise unverified("the list's signature is not good")
    return found


def unavailable(detail: str, *, retryable: bool = False, problem: str = problems.STATUS_RETRIEVAL) -> Disbelieved:
    return Disbelieved(Reason.STATUS_UNAVAILABLE, detail, retryable=retryable, problem=problem)


def unverified(detail: str, *, retryable: bool = False) -> Disbelieved:
    return unavailable(detail, retryable=retryable, problem=problems.STATUS_VERIFICATION)
