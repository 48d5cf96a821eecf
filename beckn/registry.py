"""Asking a registry about a key: a v1 look-up or a DeDi directory, single-flight, budgeted, remembered in rows.

A "yes" is fresh for five minutes and, while the registry is down, good enough for 24 h after it was last confirmed; a
"no" is remembered for a minute, a failure for ten seconds. Look-ups run with no transaction open. Source: wire.md 6.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol
from urllib.parse import quote

import orjson
from django.conf import settings
from django.db import connection, transaction

from audit.log import SYSTEM, Action, record
from beckn import limits
from beckn.messages import instant
from beckn.models import Participant, ParticipantKey, RegistryLookup, Source, default_asserts
from beckn.signatures import read_public_key
from outbound import client as outbound

log = logging.getLogger(__name__)
FRESH = timedelta(minutes=5)
STALE = timedelta(hours=24)
MISSING = timedelta(minutes=1)
FAILED = timedelta(seconds=10)
ASKING = timedelta(seconds=10)
WAIT_SECONDS = 3.0  # for another thread or process that asks the same
BUDGET = limits.Budget("registry", per_second=10.0, burst=50)
_at_once = threading.BoundedSemaphore(2)  # of the threads of this process; the others must stay free for known senders


class Unavailable(Exception):
    """Nobody can say now whether the key is good; asking again later is safe."""


class Answer(Enum):
    FOUND = "found"
    MISSING = "missing"
    STALE = "stale"  # the registry did not answer: use what the rows say while it is not too old


@dataclass(frozen=True)
class Entry:
    """What a registry says about one key of one participant. Instants in UTC."""

    subscriber_id: str
    key_id: str
    url: str
    type: str
    public_key: str
    valid_from: datetime | None
    valid_until: datetime | None
    domain: str = ""


class Registry(Protocol):
    """One look-up. Returns None for "not there"; raises outbound.OutboundError or ValueError for no usable answer."""

    def look_up(self, subscriber_id: str, key_id: str) -> Entry | None: ...


class V1Registry:
    """POST {url}/lookup {"subscriber_id", "key_id"} → a list of entries, of which the subscribed one counts."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def look_up(self, subscriber_id: str, key_id: str) -> Entry | None:
        asked = orjson.dumps({"subscriber_id": subscriber_id, "key_id": key_id})
        response = outbound.post(f"{self.url}/lookup", body=asked, headers={"Content-Type": "application/json"})
        if response.status == 404:
            return None
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}")
        entries = response.json()
        if not isinstance(entries, list):
            raise ValueError("the answer is not a list")
        return next((e for each in entries if (e := read_entry(each, subscriber_id, key_id))), None)


class DediRegistry:
    """GET {url}/lookup/{subscriber_id}/{registry}/{key_id}; `registry` is the configured address's last segment."""

    def __init__(self, url: str) -> None:
        self.url, _, self.name = url.rstrip("/").rpartition("/")

    def look_up(self, subscriber_id: str, key_id: str) -> Entry | None:
        path = "/".join(quote(part, safe="") for part in (subscriber_id, self.name, key_id))
        response = outbound.get(f"{self.url}/lookup/{path}", headers={"Accept": "application/json"})
        if response.status == 404:
            return None
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}")
        answer = response.json()
        record_ = answer.get("data", answer) if isinstance(answer, dict) else {}
        found = record_.get("details", record_) if isinstance(record_, dict) else {}
        return read_entry({"status": "SUBSCRIBED", **found}, subscriber_id, key_id)


def configured() -> Registry:
    """Return the registry of BECKN_REGISTRY: `dedi+https://host/path/<registry name>`, or a v1 registry's address."""
    url = settings.BECKN_REGISTRY
    return DediRegistry(url.removeprefix("dedi+")) if url.startswith("dedi+") else V1Registry(url)


def read_entry(entry: Any, subscriber_id: str, key_id: str) -> Entry | None:
    """Read one entry of an answer; None when it is about another key, not subscribed, or not usable."""
    if not isinstance(entry, Mapping):
        return None
    named = entry.get("key_id") or entry.get("ukId") or entry.get("unique_key_id")
    if entry.get("subscriber_id") != subscriber_id or named != key_id or entry.get("status") != "SUBSCRIBED":
        return None
    try:
        public_key = str(entry["signing_public_key"])
        read_public_key(public_key)
        url = str(entry.get("url") or entry.get("subscriber_url") or "")
        if not url.startswith(("https://", "http://")) or len(url) > 2048 or not url.isprintable():
            raise ValueError("no usable url")
        if any(mark in url for mark in " ?#@\\"):
            raise ValueError("a url with a query or a user")
        domain = str(entry.get("domain") or "")[:255]
        return Entry(
            subscriber_id=subscriber_id,
            key_id=key_id,
            url=url.rstrip("/"),
            type=str(entry.get("type", "BAP")).upper(),
            public_key=public_key,
            valid_from=_moment(entry.get("valid_from")),
            valid_until=_moment(entry.get("valid_until")),
            domain=domain if domain.isprintable() else "",
        )
    except (KeyError, ValueError) as problem:
        log.warning("an entry of the registry is not usable", extra={"subscriber": subscriber_id, "why": str(problem)})
        return None


def ask(subscriber_id: str, key_id: str, *, known: bool, now: datetime) -> Answer:
    """Ask about one key, at most once at a time over all processes, and write what was said into the rows.

    `known`: we have an older answer in the rows. Raises Unavailable when we cannot ask and know nothing.
    """
    state = _claim(subscriber_id, key_id, now)
    if state == RegistryLookup.State.ASKING:
        state = _wait(subscriber_id, key_id)
    elif state is None:
        return _ask_now(subscriber_id, key_id, known, now)
    if state == RegistryLookup.State.FOUND:
        return Answer.FOUND
    if state == RegistryLookup.State.MISSING:
        return Answer.MISSING
    return Answer.STALE


def _ask_now(subscriber_id: str, key_id: str, known: bool, now: datetime) -> Answer:
    if not _at_once.acquire(blocking=False):
        _remember(subscriber_id, key_id, RegistryLookup.State.FAILED, now)  # let the next one try at once
        raise Unavailable("too many registry look-ups at once")
    try:
        if not BUDGET.take(now):
            _remember(subscriber_id, key_id, RegistryLookup.State.FAILED, now + timedelta(seconds=1))
            if known:
                return Answer.STALE
            raise Unavailable("the budget of registry look-ups is used up")
        try:
            entry = configured().look_up(subscriber_id, key_id)
        except (outbound.OutboundError, ValueError) as problem:
            log.warning("the registry gave no usable answer", extra={"problem": str(problem)[:200]})
            _remember(subscriber_id, key_id, RegistryLookup.State.FAILED, now + FAILED)
            return Answer.STALE
        return _keep(subscriber_id, key_id, entry, now)
    finally:
        _at_once.release()


def _keep(subscriber_id: str, key_id: str, entry: Entry | None, now: datetime) -> Answer:
    if entry is None:
        ParticipantKey.objects.filter(
            participant__subscriber_id=subscriber_id, key_id=key_id, source=Source.REGISTRY
        ).delete()
        _remember(subscriber_id, key_id, RegistryLookup.State.MISSING, now + MISSING)
        return Answer.MISSING
    with transaction.atomic():
        row, is_new = Participant.objects.get_or_create(
            subscriber_id=subscriber_id,
            defaults={
                "url": entry.url,
                "type": entry.type if entry.type in Participant.Type.values else Participant.Type.BAP,
                "domains": [entry.domain] if entry.domain else [],
                "source": Source.REGISTRY,
                "asserts_subjects": default_asserts(),
                "created_at": now,
                "updated_at": now,
            },
        )
        if not is_new and row.source == Source.REGISTRY and row.url != entry.url:
            row.url, row.updated_at = entry.url, now
            row.save(update_fields=["url", "updated_at"])
        if is_new:
            details = {"url": entry.url, "type": row.type, "source": str(Source.REGISTRY), "key_id": key_id}
            record(
                Action.PARTICIPANT_ADDED,
                actor=SYSTEM,
                at=now,
                object_type="participant",
                object_id=subscriber_id,
                details=details,
            )
        said = {
            "public_key": entry.public_key,
            "valid_from": entry.valid_from,
            "valid_until": entry.valid_until,
            "source": Source.REGISTRY,
            "fresh_until": now + FRESH,
            "stale_until": now + STALE,
        }
        ParticipantKey.objects.update_or_create(
            participant=row, key_id=key_id, defaults=said, create_defaults=said | {"created_at": now}
        )
    _remember(subscriber_id, key_id, RegistryLookup.State.FOUND, now)
    return Answer.FOUND


_CLAIM = """
INSERT INTO beckn_registry_lookups AS l (subscriber_id, key_id, state, until) VALUES (%s, %s, 'ASKING', %s)
ON CONFLICT (subscriber_id, key_id) DO UPDATE SET state = 'ASKING', until = EXCLUDED.until WHERE l.until <= %s
RETURNING id
"""


def _claim(subscriber_id: str, key_id: str, now: datetime) -> str | None:
    """Take the right to ask (None), or return the state of a look-up that is still good."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [subscriber_id, key_id, now + ASKING, now])
        if cursor.fetchone():
            return None
    row = RegistryLookup.objects.filter(subscriber_id=subscriber_id, key_id=key_id).first()
    return row.state if row else RegistryLookup.State.FAILED


def _wait(subscriber_id: str, key_id: str) -> str:
    """Wait for whoever is asking; FAILED when that takes too long or too many wait already."""
    if not _at_once.acquire(blocking=False):
        return RegistryLookup.State.FAILED
    try:
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            time.sleep(0.05)
            row = RegistryLookup.objects.filter(subscriber_id=subscriber_id, key_id=key_id).first()
            if row is None or row.state != RegistryLookup.State.ASKING:
                return row.state if row else RegistryLookup.State.FAILED
        return RegistryLookup.State.FAILED
    finally:
        _at_once.release()


def _remember(subscriber_id: str, key_id: str, state: str, until: datetime) -> None:
    RegistryLookup.objects.update_or_create(
        subscriber_id=subscriber_id, key_id=key_id, defaults={"state": state, "until": until}
    )


def _moment(text: Any) -> datetime | None:
    return instant(str(text)) if text else None


def forget_old(now: datetime) -> int:
    """Delete look-ups that nobody needs any more."""
    return RegistryLookup.objects.filter(until__lt=now - timedelta(hours=1)).delete()[0]
