"""Walking the chain and its seals, and saying what is wrong. Pure: rows come in, findings go out."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit import chain
from audit.chain import Entry

WINDOW = 2_000  # links among which a swapped event is looked for
MOST_FINDINGS = 20


class Kind(StrEnum):
    MISSING_LINK = "MISSING_LINK"
    MISSING_EVENT = "MISSING_EVENT"
    BROKEN_ORDER = "BROKEN_ORDER"
    CHANGED = "CHANGED"
    SWAPPED = "SWAPPED"
    CUT_TAIL = "CUT_TAIL"
    SEAL_MISMATCH = "SEAL_MISMATCH"
    SEAL_FORGED = "SEAL_FORGED"
    SEAL_MISSING = "SEAL_MISSING"
    UNLINKED = "UNLINKED"
    EXPORT_CHANGED = "EXPORT_CHANGED"
    EXPORT_FORGED = "EXPORT_FORGED"


@dataclass(frozen=True)
class LinkRow:
    """A link with the event it stands for; `entry` is None where that event is gone."""

    seq: int
    event_id: int
    prev_hash: bytes
    hash: bytes
    entry: Entry | None


@dataclass(frozen=True)
class SealRow:
    """A seal as published; `statement` is the text that was signed, `signature` base64url."""

    day: str
    last_seq: int
    statement: str
    kid: str
    signature: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: at which link (0: at none), about which event, in a sentence."""

    kind: Kind
    message: str
    seq: int = 0
    reference: str = ""


@dataclass(frozen=True)
class Report:
    """What a walk found. `first_broken` is the first link in order that does not hold, if any."""

    links: int
    head: str
    seals: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def first_broken(self) -> Finding | None:
        return min((each for each in self.findings if each.seq), key=lambda each: each.seq, default=None)


@dataclass
class Walk:
    """How far a walk is: the last link, and what was found; `wanted` are the seals by the link they know."""

    wanted: Mapping[int, Sequence[SealRow]]
    findings: list[Finding] = field(default_factory=list)
    seq: int = 0
    hash: bytes = chain.GENESIS
    count: int = 0

    def say(self, kind: Kind, message: str, seq: int = 0, reference: str = "") -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(kind, message, seq, reference))

    def report(self, seals: int) -> Report:
        return Report(self.count, self.hash.hex() if self.count else "", seals, tuple(self.findings))


def check(
    links: Iterable[LinkRow],
    seals: Sequence[SealRow],
    keys: Mapping[str, bytes],
    *,
    unlinked: Iterable[str] = (),
    kept_seals: Sequence[SealRow] = (),
) -> Report:
    """Walk links in the order of `seq` and compare them with the seals.

    `keys` are Ed25519 public keys (32 bytes) by id; `unlinked` names events that should have had a link by now;
    `kept_seals` are copies somebody saved earlier: they must still hold too.
    """
    walk = Walk(by_link([*seals, *kept_seals]))
    rows = iter(links)
    while window := list(islice(rows, WINDOW)):
        check_window(walk, window)
    conclude(walk, seals, keys, kept_seals=kept_seals)
    for reference in unlinked:
        walk.say(Kind.UNLINKED, f"{reference} has waited for its link for more than a minute", reference=reference)
    return walk.report(len(seals))


def by_link(seals: Iterable[SealRow]) -> dict[int, list[SealRow]]:
    """Return the seals by the link they know."""
    wanted: dict[int, list[SealRow]] = {}
    for seal in seals:
        wanted.setdefault(seal.last_seq, []).append(seal)
    return wanted


def conclude(
    walk: Walk,
    seals: Sequence[SealRow],
    keys: Mapping[str, bytes],
    *,
    kept_seals: Sequence[SealRow] = (),
    end: int | None = None,
) -> None:
    """Look at the seals themselves, after the links; `end` is the chain's last link where less of it was walked."""
    _check_seals(walk, seals, keys, walk.seq if end is None else end)
    _check_kept(walk, seals, kept_seals, keys)


def check_window(walk: Walk, window: Sequence[LinkRow]) -> None:
    """Go on by these links (not more than some thousands: a swapped event is looked for among them)."""
    suspects = {row.seq: row for row in window if row.entry and _expected(row, row.entry) != row.hash}
    for row in window:
        _check_place(walk, row)
        _check_event(walk, row, suspects)
        for seal in walk.wanted.get(row.seq, ()):
            if not knows(seal, row.hash):
                message = f"the seal of {seal.day} knows another link {row.seq}: the chain was made anew"
                walk.say(Kind.SEAL_MISMATCH, message, row.seq, _reference(row))
        walk.seq, walk.hash, walk.count = row.seq, row.hash, walk.count + 1


def _check_place(walk: Walk, row: LinkRow) -> None:
    if row.seq != walk.seq + 1:
        gone = f"link {walk.seq + 1} is" if row.seq == walk.seq + 2 else f"links {walk.seq + 1} to {row.seq - 1} are"
        walk.say(Kind.MISSING_LINK, f"{gone} missing before {_reference(row)}", walk.seq + 1, _reference(row))
    elif row.prev_hash != walk.hash:
        message = f"link {row.seq} does not follow the one before it"
        walk.say(Kind.BROKEN_ORDER, message, row.seq, _reference(row))


def _check_event(walk: Walk, row: LinkRow, suspects: Mapping[int, LinkRow]) -> None:
    if row.entry is None:
        walk.say(Kind.MISSING_EVENT, f"the event of link {row.seq} is gone", row.seq)
    elif row.seq in suspects and len(walk.findings) < MOST_FINDINGS:
        swap = swapped(row, suspects)
        if swap:
            walk.findings.append(swap)
        else:
            message = f"link {row.seq} does not match {row.entry.reference}: the event or the link was changed"
            walk.say(Kind.CHANGED, message, row.seq, row.entry.reference)


def swapped(row: LinkRow, suspects: Mapping[int, LinkRow]) -> Finding | None:
    """Name what this link was made for, if that is among the first suspects: another event, or this one's content."""
    if row.entry is None:
        return None
    for other in islice(suspects.values(), 50):
        if other.entry is None or other is row:
            continue
        if _expected(row, other.entry) == row.hash:
            message = f"link {row.seq} carries {row.entry.reference} but was made for {other.entry.reference}"
            return Finding(Kind.SWAPPED, message, row.seq, row.entry.reference)
        theirs = {**other.entry.fields, "id": row.event_id}
        if chain.link_hash(row.prev_hash, row.seq, theirs) == row.hash:
            message = f"link {row.seq} was made for what stands at link {other.seq} now: the two were swapped"
            return Finding(Kind.SWAPPED, message, row.seq, row.entry.reference)
    return None


def _check_seals(walk: Walk, seals: Sequence[SealRow], keys: Mapping[str, bytes], end: int) -> None:
    previous: SealRow | None = None
    for seal in seals:
        said = _statement(seal)
        before = hashlib.sha256(previous.statement.encode()).hexdigest() if previous else ""
        if not is_signed(seal, keys) or (said.get("day"), said.get("lastSeq")) != (seal.day, seal.last_seq):
            walk.say(Kind.SEAL_FORGED, f"the seal of {seal.day} is not signed by key {seal.kid}")
        elif said.get("previousSeal") != before:
            walk.say(Kind.SEAL_MISSING, f"the seal of {seal.day} follows a seal that is not here")
        elif seal.last_seq > end:
            message = f"the seal of {seal.day} knows link {seal.last_seq}, the chain ends at {end}"
            walk.say(Kind.CUT_TAIL, message, end + 1)
        previous = seal


def _check_kept(walk: Walk, seals: Sequence[SealRow], kept_seals: Sequence[SealRow], keys: Mapping[str, bytes]) -> None:
    here = {seal.statement for seal in seals}
    for seal in kept_seals:
        if not is_signed(seal, keys):
            walk.say(Kind.SEAL_FORGED, f"the kept seal of {seal.day} is not signed by key {seal.kid}")
        elif seal.statement not in here:
            walk.say(Kind.SEAL_MISSING, f"the kept seal of {seal.day} is no longer among the seals")


def is_signed(seal: SealRow, keys: Mapping[str, bytes]) -> bool:
    """Whether one of these keys made the seal."""
    try:
        signature = base64.urlsafe_b64decode(seal.signature + "=" * (-len(seal.signature) % 4))
        Ed25519PublicKey.from_public_bytes(keys[seal.kid]).verify(signature, seal.statement.encode())
    except (KeyError, ValueError, binascii.Error, InvalidSignature):
        return False
    return True


def knows(seal: SealRow, link: bytes) -> bool:
    """Whether this is the hash of the link that the seal was made for."""
    return _statement(seal).get("lastHash") == bytes(link).hex()


def _statement(seal: SealRow) -> Mapping[str, Any]:
    try:
        said = json.loads(seal.statement)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _expected(row: LinkRow, entry: Entry) -> bytes:
    return chain.link_hash(row.prev_hash, row.seq, entry.fields)


def _reference(row: LinkRow) -> str:
    return row.entry.reference if row.entry else f"event {row.event_id}"
