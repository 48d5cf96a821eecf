"""Who is on the network: rows are the truth, processes remember them for at most a second (decisions 29, 47).

The operator's commands and the participants file write rows; answers of a registry are kept in rows with an expiry.
A suspension is a column of the row, so that it is seen by every process within a second.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.log import SYSTEM, Action, Actor, record
from beckn import identities, registry
from beckn.messages import instant
from beckn.models import Participant, ParticipantKey, Source, default_asserts
from beckn.signatures import read_public_key

log = logging.getLogger(__name__)
CACHE_SECONDS = 0.9
CACHE_ENTRIES = 4096


@dataclass(frozen=True)
class KnownKey:
    """A key of a participant, as it stood in the rows at most a second ago."""

    participant: Participant
    key: ParticipantKey


class _Cache:
    """The rows read within the last second. Look-ups that found nothing are not kept: a new row counts at once."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], tuple[float, KnownKey]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> KnownKey | None:
        found = self._entries.get(key)
        return found[1] if found and time.monotonic() - found[0] < CACHE_SECONDS else None

    def put(self, key: tuple[str, str], value: KnownKey, read_at: float) -> None:
        with self._lock:
            if len(self._entries) >= CACHE_ENTRIES:
                self._entries.clear()
            self._entries[key] = (read_at, value)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()


def forget() -> None:
    """Drop what this process remembers; for tests and for commands that have just written."""
    _cache.clear()
    _rows.clear()


_rows: dict[int, tuple[float, Participant]] = {}


def remembered(participant_id: int) -> Participant:
    """Return the row as it stood at most a second ago."""
    found = _rows.get(participant_id)
    if found is None or time.monotonic() - found[0] >= CACHE_SECONDS:
        if len(_rows) >= CACHE_ENTRIES:
            _rows.clear()
        read_at = time.monotonic()
        found = _rows[participant_id] = (read_at, Participant.objects.get(pk=participant_id))
    return found[1]


def known_key(subscriber_id: str, key_id: str) -> KnownKey | None:
    """Return the key from the rows alone, whatever its age. At most one query."""
    cached = _cache.get((subscriber_id, key_id))
    if cached is not None:
        return cached
    read_at = time.monotonic()
    found = (
        ParticipantKey.objects.select_related("participant")
        .filter(participant__subscriber_id=subscriber_id, key_id=key_id)
        .first()
    )
    if found is None:
        return None
    known = KnownKey(found.participant, found)
    _cache.put((subscriber_id, key_id), known, read_at)
    return known


def find(subscriber_id: str, key_id: str, *, now: datetime) -> KnownKey | None:
    """Return the key a message names, asking the registry where the rows do not say or are no longer fresh.

    None: nobody knows it. Raises registry.Unavailable when only the registry could say and it does not answer.
    Call it with no transaction open.
    """
    known = known_key(subscriber_id, key_id)
    if known is None and _file_changed():
        load_file(now=now)
        known = known_key(subscriber_id, key_id)
    if known is not None and (known.key.fresh_until is None or known.key.fresh_until > now):
        return known
    if not settings.BECKN_REGISTRY or not _registry_may_say(subscriber_id, known):
        return known if known is not None and known.key.source != Source.REGISTRY else None
    answer = registry.ask(subscriber_id, key_id, known=known is not None, now=now)
    if answer is registry.Answer.STALE:
        if known and known.key.stale_until and known.key.stale_until > now:
            return known
        raise registry.Unavailable(f"the registry did not answer about {subscriber_id}")
    _cache.clear()
    return known_key(subscriber_id, key_id) if answer is registry.Answer.FOUND else None


def _registry_may_say(subscriber_id: str, known: KnownKey | None) -> bool:
    """An operator's word about a participant stands: the registry adds no keys to it."""
    if known is not None:
        return known.key.source == Source.REGISTRY
    row = registered(subscriber_id)
    return row is None or row.source == Source.REGISTRY


def registered(subscriber_id: str) -> Participant | None:
    """Return a participant's row."""
    return Participant.objects.filter(subscriber_id=subscriber_id).first()


def add(
    *,
    subscriber_id: str,
    url: str,
    now: datetime,
    key_id: str = "",
    public_key: str = "",
    type: str = "BAP",
    asserts_subjects: Sequence[str] | None = None,
    strict: bool | None = None,
    domains: Sequence[str] | None = None,
    message_ids: str | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    source: str = Source.COMMAND,
    actor: Actor = SYSTEM,
) -> Participant:
    """Add a participant, or change it; add or replace one key. None leaves a property as it is. Journalled if changed.

    `asserts_subjects` is, for a new participant, every utility in the sandbox and none in production (decision 56).
    Raises ValueError for a malformed key, URL or type.
    """
    _check(subscriber_id, url, type, key_id, public_key)
    with transaction.atomic():
        row = Participant.objects.select_for_update().filter(subscriber_id=subscriber_id).first()
        is_new = row is None
        if row is None:
            row = Participant(subscriber_id=subscriber_id, created_at=now, asserts_subjects=default_asserts())
        before = None if is_new else _told(row)
        row.url, row.type, row.source = url.rstrip("/"), type, source
        row.asserts_subjects = row.asserts_subjects if asserts_subjects is None else sorted(set(asserts_subjects))
        row.strict = row.strict if strict is None else strict
        row.domains = row.domains if domains is None else sorted(set(domains))
        row.message_ids = row.message_ids if message_ids is None else message_ids
        row.updated_at = now
        changed = is_new or before != _told(row)
        if changed:
            row.save()
        changed_key = bool(key_id) and _put_key(row, key_id, public_key, valid_from, valid_until, source, now)
        if changed or changed_key:
            details = {"url": row.url, "type": row.type, "key_id": key_id, "source": source, "strict": row.strict}
            record(
                Action.PARTICIPANT_ADDED if is_new else Action.PARTICIPANT_CHANGED,
                actor=actor,
                at=now,
                object_type="participant",
                object_id=subscriber_id,
                before=before,
                after=_told(row),
                details={**details, "asserts_subjects": row.asserts_subjects},
            )
    _cache.clear()
    return row


def suspend(subscriber_id: str, *, reason: str, now: datetime, actor: Actor = SYSTEM, code: str = "") -> Participant:
    """Refuse this participant from now on; idempotent, the first moment stays. Raises Participant.DoesNotExist.

    `reason` is for people and stays with the row; `code` is the journal's.
    """
    return _set_suspended(subscriber_id, now, reason, Action.PARTICIPANT_SUSPENDED, now, actor, code)


def resume(subscriber_id: str, *, now: datetime, actor: Actor = SYSTEM) -> Participant:
    """Take this participant's messages again. Raises Participant.DoesNotExist."""
    return _set_suspended(subscriber_id, None, "", Action.PARTICIPANT_RESUMED, now, actor)


def _set_suspended(
    subscriber_id: str, at: datetime | None, reason: str, action: Action, now: datetime, actor: Actor, code: str = ""
) -> Participant:
    with transaction.atomic():
        row = Participant.objects.select_for_update().get(subscriber_id=subscriber_id)
        if (row.suspended_at is None) == (at is None):
            return row
        row.suspended_at, row.suspended_reason, row.updated_at = at, reason[:255], now
        row.save(update_fields=["suspended_at", "suspended_reason", "updated_at"])
        details = {"reason": code} if code else None
        record(action, actor=actor, at=now, object_type="participant", object_id=subscriber_id, details=details)
    _cache.clear()
    return row


def sync(*, now: datetime) -> int:
    """Write our own identities and the participants file into the rows; return how many entries there are."""
    return _add_ours(now) + load_file(now=now)


def _add_ours(now: datetime) -> int:
    """Our portals' BAPs and our BPP speak to each other over the network like everybody else."""
    count = 0
    for identity in identities.all_of_them():
        for key in identity.keys:
            add(
                subscriber_id=identity.subscriber_id,
                url=identity.uri,
                type="BPP" if identity.role == identities.OWNER else "BAP",
                key_id=key.key_id,
                public_key=key.public_key,
                valid_from=key.valid_from,
                valid_until=key.valid_until,
                source=Source.OURS,
                now=now,
            )
            count += 1
    return count


_file_read: dict[str, float] = {}


def _file_changed() -> bool:
    path = settings.BECKN_PARTICIPANTS_FILE
    try:
        return bool(path) and _file_read.get(path) != Path(path).stat().st_mtime
    except OSError:
        return False


def load_file(*, now: datetime) -> int:
    """Read BECKN_PARTICIPANTS_FILE into the rows; return the number of entries. One bad entry does not stop the others.

    JSON: a list of {subscriber_id, key_id, public_key, url, type?, asserts_subjects?, strict?, domains?, valid_from?,
    valid_until?, suspended?}. Raises OSError or ValueError for a file that cannot be read at all.
    """
    path = settings.BECKN_PARTICIPANTS_FILE
    if not path:
        return 0
    changed_at = Path(path).stat().st_mtime
    entries = json.loads(Path(path).read_text())
    if not isinstance(entries, list):
        raise ValueError(f"{path} should hold a JSON list of participants")
    _file_read[path] = changed_at
    return sum(_load_entry(entry, now) for entry in entries)


def _load_entry(entry: Mapping[str, Any], now: datetime) -> bool:
    try:
        row = add(
            subscriber_id=entry["subscriber_id"],
            url=entry["url"],
            type=entry.get("type", "BAP"),
            key_id=entry.get("key_id", ""),
            public_key=entry.get("public_key") or entry.get("signing_public_key", ""),
            asserts_subjects=entry.get("asserts_subjects"),
            strict=entry.get("strict"),
            domains=entry.get("domains"),
            valid_from=instant(entry["valid_from"]) if entry.get("valid_from") else None,
            valid_until=instant(entry["valid_until"]) if entry.get("valid_until") else None,
            source=Source.FILE,
            now=now,
        )
        if entry.get("suspended"):
            suspend(row.subscriber_id, reason="participants file", now=now)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        log.error("an entry of the participants file is not usable", extra={"problem": str(problem)[:200]})
        return False
    return True


def _check(subscriber_id: str, url: str, type: str, key_id: str, public_key: str) -> None:
    if not subscriber_id or "|" in subscriber_id or len(subscriber_id) > 255:
        raise ValueError("a subscriber id is 1 to 255 characters without |")
    if not url.startswith(("https://", "http://")) or any(mark in url for mark in " ?#@\\"):
        raise ValueError("a participant's URL is http(s)://host/path, without query or user")
    if type not in Participant.Type.values:
        raise ValueError(f"the type of a participant is one of {', '.join(Participant.Type.values)}")
    if key_id and ("|" in key_id or len(key_id) > 255):
        raise ValueError("a key id is 1 to 255 characters without |")
    if key_id:
        read_public_key(public_key)


def _put_key(
    row: Participant,
    key_id: str,
    public_key: str,
    valid_from: datetime | None,
    valid_until: datetime | None,
    source: str,
    now: datetime,
) -> bool:
    """Write a key an operator or the file gave; True when that changed something."""
    told = {"public_key": public_key, "valid_from": valid_from, "valid_until": valid_until, "source": source}
    cached = {"fresh_until": None, "stale_until": None}
    old = ParticipantKey.objects.filter(participant=row, key_id=key_id).first()
    if old is not None and all(getattr(old, name) == value for name, value in told.items()):
        return False
    ParticipantKey.objects.update_or_create(
        participant=row, key_id=key_id, defaults=told | cached, create_defaults=told | cached | {"created_at": now}
    )
    return True


def _told(row: Participant) -> dict[str, Any]:
    names = ("url", "type", "source", "asserts_subjects", "strict", "domains", "message_ids")
    return {name: getattr(row, name) for name in names}
