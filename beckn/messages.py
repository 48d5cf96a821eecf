"""A message as a handler gets it, and the reading of its context."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from beckn.models import Inbox, Participant

REQUESTS = frozenset(
    ("search", "discover", "select", "init", "confirm", "status", "update", "cancel", "support", "rating", "track")
)
CALLBACKS = frozenset(f"on_{action}" for action in REQUESTS)
MAX_ID_CHARACTERS = 255
DEFAULT_TTL = timedelta(seconds=30)
# The only headers a handler may know about (decision 48). They are not covered by the signature.
KEPT_HEADERS = ("x-enrollment-agency-id",)
_DURATION = re.compile(
    r"P(?!$)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?"
    r"(?:T(?!$)(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})(?:[.,](\d{1,9}))?S)?)?",
    re.ASCII,
)


@dataclass(frozen=True)
class Received:
    """A proven message, secrets put back. `body` is the whole JSON document, `context` its context.

    `deadline` is when the callback is due (arrival + ttl). `raw_digest` is BLAKE2b-512 (base64) of the bytes as they
    came. `lease` is the worker's claim on the Inbox row: `Door.answer` marks the row done only while it holds.
    """

    inbox_id: int
    action: str
    profile: str
    participant: Participant
    context: dict[str, Any]
    body: dict[str, Any]
    received_at: datetime
    deadline: datetime
    raw_digest: str
    headers: Mapping[str, str] = field(default_factory=dict)
    lease: UUID | None = None

    @property
    def message(self) -> dict[str, Any]:
        found = self.body.get("message")
        return found if isinstance(found, dict) else {}


def received(row: Inbox, participant: Participant, body: dict[str, Any]) -> Received:
    """Make the handler's view of a row; `body` already complete."""
    return Received(
        inbox_id=row.pk,
        action=row.action,
        profile=row.profile,
        participant=participant,
        context=body["context"],
        body=body,
        received_at=row.received_at,
        deadline=row.deadline,
        raw_digest=row.digest,
        headers=row.headers,
        lease=row.lease,
    )


def duration(text: str) -> timedelta:
    """Read an ISO 8601 duration such as PT30S; a month counts 30 days, a year 365. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("is not an ISO 8601 duration such as PT30S")
    years, months, weeks, days, hours, minutes, seconds, fraction = match.groups()
    return timedelta(
        days=int(years or 0) * 365 + int(months or 0) * 30 + int(weeks or 0) * 7 + int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0) + (int(fraction) / 10 ** len(fraction) if fraction else 0),
    )


def instant(text: str) -> datetime:
    """Read an RFC 3339 instant, as UTC. Raises ValueError when it has no zone or is no instant."""
    if not (text.isascii() and 20 <= len(text) <= 40 and text[10] in "Tt "):
        raise ValueError("is not an RFC 3339 instant such as 2026-01-31T10:30:00Z")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        words = "has no time zone" if "time zone" in str(problem) else "is not an RFC 3339 instant"
        raise ValueError(words) from None


def wire_instant(moment: datetime) -> str:
    """Write an instant as the guide does: seconds, UTC, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
