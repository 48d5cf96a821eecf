"""Checking credentials that others present: the one function behind enrolment, `POST /verify` and what comes later.

In this order, the first failed check gives the reason: format and algorithm, an issuer we know at all (before any
address of a stranger is asked), key, signature, trust for this type and scope, dates, status, holder. Garbage of any
kind is MALFORMED, never an exception. It asks others over the network, so never call it inside a transaction.
Source: spec credentials.md 4; domain.md 6; decisions 21, 36, 37, 53.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from credentials import issuers, remote_status, tokens, trust
from credentials.addresses import resolve_id
from credentials.asking import Deadline
from credentials.issuers import NamedKey
from credentials.models import IssuedCredential, TrustEntry
from credentials.reasons import Disbelieved, Reason
from credentials.remote_status import LEEWAY

FORMATS = ("", "VC-JWT", "vc+jwt", "application/vc+jwt", "application/jwt", "jwt_vc_json")

__all__ = ["Check", "Presented", "Reason", "Recheck", "Verdict", "asks_others", "recheck_status", "verify_presented"]


@dataclass(frozen=True)
class Presented:
    """One credential as a message carries it. `type` "" means: whatever it is."""

    credential_id: str
    type: str
    format: str
    data: str
    der_id: str = ""


@dataclass(frozen=True)
class Check:
    """One step: its name (format, issuer, signature, trust, dates, status, holder), and why it failed."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """What was found. `claims` is `credentialSubject`; of a failed credential it proves nothing.

    `reason` is "" or one of `Reason`; `retryable` tells that another try later may end otherwise (an issuer could not
    be reached). `status_entry` is what `recheck_status` takes: {"issuer", "credential", "entries": [{"list", "index",
    "purpose"}]}, None where the credential names no status. `digest` is SHA-256 (hex) of the bytes as they came.
    `trusted_utilities` and the like are the scope of the trust that was used; empty means any.
    """

    credential_id: str
    type: str
    ok: bool
    reason: str
    digest: str
    claims: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    status_entry: dict[str, Any] | None = None
    detail: str = ""
    retryable: bool = False
    checks: tuple[Check, ...] = ()
    trusted_utilities: tuple[str, ...] = ()
    trusted_programs: tuple[str, ...] = ()
    trusted_der_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recheck:
    """The status of a credential that was verified before. `reason` "" means: still good."""

    reason: str
    retryable: bool = False

    @property
    def ok(self) -> bool:
        return not self.reason


def verify_presented(
    items: Sequence[Presented],
    *,
    subject_did: str | None,
    now: datetime,
    wait_seconds: float = 12.0,
    maximum_bytes: int = tokens.MAXIMUM_BYTES,
) -> list[Verdict]:
    """Check each credential, in the order given. `subject_did` is whose they must be; None leaves the holder open.

    All of them together wait at most `wait_seconds` for others; what is not answered by then is retryable. A longer
    one than `maximum_bytes` is MALFORMED: a message carries short ones, ours of 500 meters is longer.
    """
    read = [_read(item, maximum_bytes) for item in items]
    known = trust.entries_for([token.issuer for token in read if isinstance(token, tokens.Token)], at=now)
    deadline = Deadline(wait_seconds)
    return [
        _Examination(item, token, known, deadline, now).verdict(subject_did)
        for item, token in zip(items, read, strict=True)
    ]


def asks_others(item: Presented, *, maximum_bytes: int = tokens.MAXIMUM_BYTES) -> bool:
    """Whether checking this credential may have to wait for another issuer's answers."""
    read = _read(item, maximum_bytes)
    return isinstance(read, tokens.Token) and read.issuer != settings.ISSUER_DID


def recheck_status(entries: Sequence[Mapping[str, Any] | None], *, now: datetime) -> list[Recheck]:
    """Look up again the status of credentials verified before (`Verdict.status_entry`); None is always good."""
    known = trust.entries_for([each["issuer"] for each in entries if each], at=now)
    deadline = Deadline()
    return [_recheck(each, known, deadline, now) for each in entries]


def _recheck(
    entry: Mapping[str, Any] | None, known: Mapping[str, list[TrustEntry]], deadline: Deadline, now: datetime
) -> Recheck:
    if entry is None:
        return Recheck("")
    try:
        _check_status(entry, known[entry["issuer"]], deadline, now)
    except Disbelieved as failed:
        return Recheck(failed.reason, failed.retryable)
    return Recheck("")


def _read(item: Presented, maximum_bytes: int) -> tokens.Token | Disbelieved:
    try:
        if item.format not in FORMATS:
            raise Disbelieved(Reason.MALFORMED, "the format is not VC-JWT")
        return tokens.read(item.data, maximum_bytes=maximum_bytes)
    except Disbelieved as failed:
        return failed


class _Examination:
    """The checks of one credential, one after the other; the first that fails ends it."""

    def __init__(
        self,
        item: Presented,
        read: tokens.Token | Disbelieved,
        known: Mapping[str, list[TrustEntry]],
        deadline: Deadline,
        now: datetime,
    ) -> None:
        self.item, self.read, self.deadline, self.now = item, read, deadline, now
        self.entries = known.get(read.issuer, []) if isinstance(read, tokens.Token) else []
        self.status_entry: dict[str, Any] | None = None
        self.granted: TrustEntry | None = None

    def verdict(self, subject_did: str | None) -> Verdict:
        if isinstance(self.read, Disbelieved):
            return self._result(None, [], "format", self.read)
        token = self.read
        done: list[Check] = []
        for name, check in self._steps(subject_did):
            try:
                check(token)
            except Disbelieved as failed:
                return self._result(token, done, name, failed)
            done.append(Check(name, True))
        return self._result(token, done)

    def _steps(self, subject_did: str | None) -> Iterator[tuple[str, Callable[[tokens.Token], None]]]:
        yield "format", self._type
        yield "issuer", self._issuer
        yield "signature", self._signature
        yield "trust", self._trust
        # Of our own credentials we know the status at no cost, and "revoked" says more than "not yet valid".
        own = isinstance(self.read, tokens.Token) and self.read.issuer == settings.ISSUER_DID
        dates, status = ("dates", self._dates), ("status", self._status)
        yield from (status, dates) if own else (dates, status)
        if subject_did is not None:
            yield "holder", lambda token: _holder(token, subject_did)

    def _type(self, token: tokens.Token) -> None:
        if self.item.type and self.item.type not in token.types:
            raise Disbelieved(Reason.MALFORMED, "the credential is of another type than the message says")

    def _issuer(self, token: tokens.Token) -> None:
        if token.issuer != settings.ISSUER_DID and not self.entries:
            raise Disbelieved(Reason.UNTRUSTED_ISSUER, "the issuer is not on the trust list")

    def _signature(self, token: tokens.Token) -> None:
        keys = _keys_of(self.entries, self.deadline)(token.issuer, token.kid, token.algorithm)
        if not _made_by(token, keys) and not _made_by(token, self._replaced_keys(token)):
            raise Disbelieved(Reason.BAD_SIGNATURE, "the signature does not verify with the issuer's key")

    def _replaced_keys(self, token: tokens.Token) -> list[NamedKey]:
        if all(entry.keys is not None for entry in self.entries):
            return []
        try:
            return issuers.looked_up_again(token.issuer, token.kid, token.algorithm, deadline=self.deadline)
        except Disbelieved:
            return []  # the key we have says no, and there is no other one to ask

    def _trust(self, token: tokens.Token) -> None:
        types = [self.item.type] if self.item.type else _specific(token)
        self.granted = trust.granting(self.entries, issuer=token.issuer, types=types, claims=token.subject)

    def _dates(self, token: tokens.Token) -> None:
        if token.valid_from and token.valid_from > self.now + LEEWAY:
            raise Disbelieved(Reason.NOT_YET_VALID, "the credential holds only from a later moment on")
        if token.valid_until and token.valid_until <= self.now - LEEWAY:
            raise Disbelieved(Reason.EXPIRED, "the credential is over")

    def _status(self, token: tokens.Token) -> None:
        entries = remote_status.entries_of(token)
        if entries:
            credential_id = str(token.credential.get("id", ""))[:500]
            self.status_entry = {"issuer": token.issuer, "credential": credential_id, "entries": entries}
            _check_status(self.status_entry, self.entries, self.deadline, self.now)

    def _result(
        self, token: tokens.Token | None, done: Sequence[Check], step: str = "", failed: Disbelieved | None = None
    ) -> Verdict:
        checks = [*done, Check(step, False, failed.detail)] if failed else done
        granted = self.granted
        return Verdict(
            credential_id=self.item.credential_id,
            type=self.item.type or next(iter(_specific(token) if token else []), ""),
            ok=failed is None,
            reason=str(failed.reason) if failed else "",
            digest=hashlib.sha256(str(self.item.data).encode("utf-8", "replace")).hexdigest(),
            claims=dict(token.subject) if token else {},
            issuer=token.issuer if token else "",
            valid_from=token.valid_from if token else None,
            valid_until=token.valid_until if token else None,
            status_entry=self.status_entry,
            detail=failed.detail if failed else "",
            retryable=failed.retryable if failed else False,
            checks=tuple(checks),
            trusted_utilities=tuple(granted.utilities) if granted else (),
            trusted_programs=tuple(granted.programs) if granted else (),
            trusted_der_types=tuple(granted.der_types) if granted else (),
        )


def _made_by(token: tokens.Token, keys: Sequence[NamedKey]) -> bool:
    return any(tokens.verify_signature(token, each.key) for each in keys)


def _holder(token: tokens.Token, subject_did: str) -> None:
    if token.subject_id != subject_did:
        raise Disbelieved(Reason.WRONG_SUBJECT, "the credential is about somebody else")


def _specific(token: tokens.Token) -> list[str]:
    return [each for each in token.types if each != "VerifiableCredential"]


def _keys_of(entries: Sequence[TrustEntry], deadline: Deadline) -> remote_status.KeysOf:
    """The keys of an issuer as the trust list has it: pinned ones, and its DID where an entry pins none."""
    pinned = [entry.keys for entry in entries if entry.keys is not None]
    resolve = not entries or any(entry.keys is None for entry in entries)

    def keys_of(issuer: str, kid: str, algorithm: str) -> list[NamedKey]:
        return issuers.candidates(issuer, kid, algorithm, pinned=pinned, resolve=resolve, deadline=deadline)

    return keys_of


def _check_status(status: Mapping[str, Any], entries: Sequence[TrustEntry], deadline: Deadline, now: datetime) -> None:
    issuer = status["issuer"]
    if issuer == settings.ISSUER_DID:
        _check_own_status(str(status["credential"]))
        return
    keys_of = _keys_of(entries, deadline)
    remote_status.check(status["entries"], issuer=issuer, keys_of=keys_of, deadline=deadline, now=now)


def _check_own_status(url: str) -> None:
    """Our own rows are the truth, and newer than any list."""
    credential_id = resolve_id(url)
    row = None
    if credential_id is not None:
        rows = IssuedCredential.objects.filter(pk=credential_id)
        row = rows.values_list("revoked_at", "suspended_at").first()
    if row is None:
        raise Disbelieved(Reason.STATUS_UNAVAILABLE, "we have no such credential")
    revoked_at, suspended_at = row
    if revoked_at:
        raise Disbelieved(Reason.REVOKED, "the credential was revoked")
    if suspended_at:
        raise Disbelieved(Reason.SUSPENDED, "the credential is suspended")
