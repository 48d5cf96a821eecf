"""Is it revoked or suspended? The status lists of other issuers, fetched, proven, read.

A list counts only if its own signature verifies with a key of the credential's issuer, it is of the purpose the
credential names, and it is in date. Whatever cannot be found out is STATUS_UNAVAILABLE: we fail closed.
Source: W3C Bitstring Status List v1.0, 3.2; spec credentials.md 3 and 4.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from credentials import asking, bitstring, tokens
from credentials.asking import Deadline
from credentials.content import Content
from credentials.issuers import NamedKey
from credentials.reasons import Disbelieved, Reason

LEEWAY = timedelta(seconds=60)
_ACCEPT = "application/vc+jwt, application/jwt;q=0.5"
_MAXIMUM_ENTRIES = 8
_MAXIMUM_LIST = 512 * 1024
_MAXIMUM_AGE_SECONDS = 60.0
_FAILED = {"revocation": Reason.REVOKED, "suspension": Reason.SUSPENDED}
_HARMLESS = ("refresh", "message")  # purposes that say nothing against a credential

KeysOf = Callable[[str, str, str], Sequence[NamedKey]]
"""(issuer, kid, algorithm) → keys that may have signed; raises Disbelieved."""


def entries_of(content: Content) -> list[dict[str, Any]]:
    """Return what has to be looked up: `[{"list", "index", "purpose"}]`, empty where the credential names no status.

    Raises Disbelieved: STATUS_UNAVAILABLE for a status of a kind we cannot check, MALFORMED for one that is none.
    """
    named = content.credential.get("credentialStatus")
    if named is None:
        if content.token_status is not None:
            raise _unavailable("a status of this kind cannot be checked")
        return []
    listed = named if isinstance(named, list) else [named]
    if len(listed) > _MAXIMUM_ENTRIES:
        raise Disbelieved(Reason.MALFORMED, "too many status entries")
    return [entry for entry in map(_entry, listed) if entry is not None]


def check(
    entries: Sequence[Mapping[str, Any]], *, issuer: str, keys_of: KeysOf, deadline: Deadline, now: datetime
) -> None:
    """Return if no entry's bit is set; raise Disbelieved with REVOKED, SUSPENDED or STATUS_UNAVAILABLE otherwise."""
    for entry in sorted(entries, key=lambda each: each["purpose"]):
        bits = _list(entry, issuer, keys_of, deadline, now)
        try:
            is_set = bitstring.bit_at(bits, entry["index"])
        except IndexError as error:
            raise _unavailable("the list has no such entry") from error
        if is_set:
            reason = _FAILED[entry["purpose"]]
            raise Disbelieved(reason, f"the issuer's list says {reason.lower()}")


def _entry(named: object) -> dict[str, Any] | None:
    if not isinstance(named, dict):
        raise Disbelieved(Reason.MALFORMED, "a status entry is no object")
    if named.get("type") != "BitstringStatusListEntry":
        raise _unavailable("a status of this kind cannot be checked")
    purpose, index, url = named.get("statusPurpose"), named.get("statusListIndex"), named.get("statusListCredential")
    if purpose in _HARMLESS:
        return None
    if purpose not in _FAILED or named.get("statusSize", 1) != 1:
        raise _unavailable("a status of this purpose cannot be checked")
    if isinstance(index, bool) or not isinstance(index, int | str) or not str(index).isascii():
        raise Disbelieved(Reason.MALFORMED, "statusListIndex is no number")
    if not str(index).isdigit() or len(str(index)) > 12:
        raise Disbelieved(Reason.MALFORMED, "statusListIndex is no number")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")) or len(url) > 1000:
        raise Disbelieved(Reason.MALFORMED, "statusListCredential is no address")
    return {"list": url, "index": int(index), "purpose": purpose}


@dataclass(frozen=True)
class _Proven:
    """A list whose signature was verified with `key`. Keeps what is asked of it, not its text."""

    kid: str
    algorithm: str
    key: NamedKey
    valid_from: datetime | None
    valid_until: datetime | None
    purpose: str
    bits: bytes
    ttl_seconds: float


def _list(entry: Mapping[str, Any], issuer: str, keys_of: KeysOf, deadline: Deadline, now: datetime) -> bytes:
    url = entry["list"]
    proven = _prove(_fetch(url, deadline, fresh=False), url, issuer, keys_of)
    if _kept_for(url) > proven.ttl_seconds:
        proven = _prove(_fetch(url, deadline, fresh=True), url, issuer, keys_of)
    if proven.purpose != entry["purpose"]:
        raise _unavailable("the list is of another purpose")
    too_early = proven.valid_from is not None and proven.valid_from > now + LEEWAY
    if too_early or (proven.valid_until is not None and proven.valid_until <= now - LEEWAY):
        raise _unavailable("the list is out of date", retryable=True)
    return proven.bits


_fetched: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
_proven: OrderedDict[tuple[bytes, str, str], _Proven] = OrderedDict()
_lock = threading.Lock()
_KEPT = 32


def _fetch(url: str, deadline: Deadline, *, fresh: bool) -> bytes:
    try:
        body = asking.fetch(
            url,
            accept=_ACCEPT,
            deadline=deadline,
            max_bytes=_MAXIMUM_LIST,
            max_age_cap=_MAXIMUM_AGE_SECONDS,
            fresh=fresh,
        )
    except asking.Unanswered as error:
        raise _unavailable(f"the issuer's list is not to be had: {error}", retryable=error.retryable) from error
    with _lock:
        if fresh or url not in _fetched or _fetched[url][0] is not body:
            _fetched[url] = (body, time.monotonic())
            _fetched.move_to_end(url)
            if len(_fetched) > _KEPT:
                _fetched.popitem(last=False)
    return body


def _kept_for(url: str) -> float:
    with _lock:
        kept = _fetched.get(url)
    return time.monotonic() - kept[1] if kept else 0.0


def _prove(body: bytes, url: str, issuer: str, keys_of: KeysOf) -> _Proven:
    """The list that these bytes are, once its signature is proven; proofs are remembered by bytes, issuer and address.

    The key is looked up every time, so that a list loses its proof with the key that made it.
    """
    name = (hashlib.sha256(body).digest(), issuer, url)
    with _lock:
        known = _proven.get(name)
    named = known or _read(body, issuer, url)
    try:
        candidates = keys_of(issuer, named.kid, named.algorithm)
    except Disbelieved as error:
        raise _unavailable("the list's key cannot be found", retryable=error.retryable) from error
    if known and known.key in candidates:
        return known
    token = named if isinstance(named, tokens.Token) else _read(body, issuer, url)
    key = next((each for each in candidates if token.made_by(each.key)), None)
    if key is None:
        raise _unavailable("the list's signature is not good")
    proven = _unpack(token, key)
    with _lock:
        _proven[name] = proven
        if len(_proven) > _KEPT:
            _proven.popitem(last=False)
    return proven


def _read(body: bytes, issuer: str, url: str) -> tokens.Token:
    try:
        token = tokens.read(body.decode("ascii").strip(), maximum_bytes=_MAXIMUM_LIST)
    except (UnicodeDecodeError, Disbelieved) as error:
        raise _unavailable("what is at the list's address is no signed list") from error
    if token.content.issuer != issuer:
        raise _unavailable("the list is of another issuer")
    said = token.content
    if said.credential.get("id", url) != url or "BitstringStatusListCredential" not in said.types:
        raise _unavailable("what is at the list's address is another document")
    return token


def _unpack(token: tokens.Token, key: NamedKey) -> _Proven:
    subject = token.content.subject
    encoded, ttl = subject.get("encodedList"), subject.get("ttl", 300_000)
    if not isinstance(encoded, str) or isinstance(ttl, bool) or not isinstance(ttl, int | float) or ttl < 0:
        raise _unavailable("the list cannot be read")
    try:
        bits = bitstring.decode_list(encoded)
    except bitstring.BadList as error:
        raise _unavailable(f"the list cannot be read: {error}") from error
    return _Proven(
        kid=token.kid,
        algorithm=token.algorithm,
        key=key,
        valid_from=token.content.valid_from,
        valid_until=token.content.valid_until,
        purpose=str(subject.get("statusPurpose", "")),
        bits=bits,
        ttl_seconds=ttl / 1000,
    )


def _unavailable(detail: str, *, retryable: bool = False) -> Disbelieved:
    return Disbelieved(Reason.STATUS_UNAVAILABLE, detail, retryable=retryable)
