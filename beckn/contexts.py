"""The context of a message: is it whole, is it meant for us, does it come from whom it says, is it still good.

The signature covers neither path nor receiver, so the context has to agree with both (wire.md 1, decision 53).
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from beckn import identities, profiles
from beckn.messages import DEFAULT_TTL, MAX_ID_CHARACTERS, duration, instant
from beckn.nacks import Nack, NackCode

log = logging.getLogger(__name__)
TOLERANCE = timedelta(seconds=60)
LONGEST_TTL = timedelta(days=31)


@dataclass(frozen=True)
class Context:
    """What we keep of a context that passed. `deadline` is when our callback is due: arrival + ttl."""

    sender_id: str
    sender_uri: str
    message_id: str
    transaction_id: str
    profile: ModuleType
    deadline: datetime
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """What the way in demands: the path's action, and which side of the context is the sender's."""

    action: str
    sender: str  # "bap" for requests, "bpp" for callbacks
    receiver_may_be_absent: bool = False

    @property
    def receiver(self) -> str:
        return "bpp" if self.sender == "bap" else "bap"


def read(body: Mapping[str, Any], expected: Expected, *, now: datetime) -> Context:
    """Return the context of a message, or raise Nack with the path of the first thing that is wrong."""
    context = body.get("context")
    if not isinstance(context, dict):
        raise _wrong("context", "is missing" if context is None else "should be an object")
    if not isinstance(body.get("message"), dict):
        raise Nack(400, NackCode.SCHEMA_INVALID, "message should be an object.", "message")
    action = _text(context, "action")
    if action != expected.action:
        raise _wrong("context.action", f"should be {expected.action}, as the address says")
    profile = profiles.profile_for(context, body["message"]) if isinstance(context.get("domain"), str) else None
    if profile is None:
        raise _wrong("context.domain", "is not a domain that is served here")
    if _text(context, "version") not in profile.VERSIONS:
        raise _wrong("context.version", f"should be one of {', '.join(sorted(profile.VERSIONS))}")
    if action.removeprefix("on_") not in profile.ACTIONS:
        raise Nack(404, NackCode.ACTION_UNKNOWN, f"{action} is not served in this domain.", "context.action")
    _check_receiver(context, expected)
    return Context(
        sender_id=_text(context, f"{expected.sender}_id"),
        sender_uri=_text(context, f"{expected.sender}_uri", longest=2048),
        message_id=_text(context, "message_id"),
        transaction_id=_text(context, "transaction_id"),
        profile=profile,
        deadline=_deadline(context, now),
        given=context,
    )


def is_under(uri: str, registered: str) -> bool:
    """Tell whether `uri` is the registered URL or one below it: same scheme, host and port, path by whole segments."""
    try:
        asked, base = urlsplit(uri), urlsplit(registered)
        same = (asked.scheme, asked.hostname, _port(asked)) == (base.scheme, base.hostname, _port(base))
    except ValueError:
        return False
    if not same or not asked.hostname or asked.scheme not in ("http", "https"):
        return False
    if "@" in asked.netloc or any(mark in uri for mark in "?#\\%") or any(ord(each) <= 32 for each in uri):
        return False
    path = asked.path.rstrip("/")
    if any(segment in (".", "..") for segment in path.split("/")):
        return False
    root = base.path.rstrip("/")
    return path == root or path.startswith(f"{root}/")


def _port(parts: Any) -> int:
    return int(parts.port or (443 if parts.scheme == "https" else 80))


def _check_receiver(context: Mapping[str, Any], expected: Expected) -> None:
    name = f"{expected.receiver}_id"
    if context.get(name) is None and expected.receiver_may_be_absent:
        return
    receiver = _text(context, name)
    is_ours = identities.is_owner if expected.receiver == "bpp" else identities.is_portal
    if not is_ours(receiver):
        raise Nack(400, NackCode.WRONG_ADDRESSEE, "The message is not addressed to us.", f"context.{name}")


def _deadline(context: Mapping[str, Any], now: datetime) -> datetime:
    """Check timestamp and ttl, and return when the answer is due."""
    try:
        sent_at = instant(_text(context, "timestamp"))
    except ValueError as problem:
        raise _wrong("context.timestamp", str(problem)) from None
    try:
        ttl = duration(_text(context, "ttl")) if context.get("ttl") is not None else DEFAULT_TTL
    except ValueError as problem:
        raise _wrong("context.ttl", str(problem)) from None
    ttl = min(ttl, LONGEST_TTL)
    too_late = now > sent_at + ttl + TOLERANCE
    too_early = sent_at > now + TOLERANCE
    if (too_late or too_early) and settings.BECKN_TTL_POLICY != "off":
        words = f"timestamp {'+ ttl has passed' if too_late else 'lies in the future'}; our clock is {now.isoformat()}"
        if settings.BECKN_TTL_POLICY == "nack":
            seconds = math.ceil((now - sent_at - ttl if too_late else sent_at - now).total_seconds())
            why = {"why": "OVER" if too_late else "AHEAD", "seconds": seconds}
            allowed = {"allowed_seconds": int(TOLERANCE.total_seconds())}
            raise Nack(400, NackCode.EXPIRED, words, "context.timestamp", facts=why | allowed)
        log.warning("a message is out of time", extra={"why": words})
    return now + ttl


def _text(context: Mapping[str, Any], name: str, *, longest: int = MAX_ID_CHARACTERS) -> str:
    value = context.get(name)
    if value is None or value == "":
        raise _wrong(f"context.{name}", "is missing")
    if not isinstance(value, str):
        raise _wrong(f"context.{name}", "should be text")
    if len(value) > longest:
        raise _wrong(f"context.{name}", f"may have {longest} characters")
    return value


def _wrong(path: str, what: str) -> Nack:
    return Nack(400, NackCode.CONTEXT_INVALID, f"{path} {what}.", path)
