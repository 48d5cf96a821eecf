"""Exports of the journal: asked for at the console, made by a worker, kept a while, fetched by whoever may.

What is exported is fixed by the search and by the end of the chain at the asking: a line that is written later is not
in it. Lines that have no link yet are left out; within a second everything has one.
"""

from __future__ import annotations

import logging
import tempfile
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from audit import archive, chain, clock, log, readers, verification, walking
from audit import seals as sealing
from audit.keeper import keeper
from audit.log import Action, Actor, ActorKind, Channel
from audit.models import Event, Export, Link, Seal, WorkState
from audit.readers import Search
from audit.signer import Signature, signer

logger = logging.getLogger(__name__)
#: How long an export can be fetched.
KEPT = timedelta(days=7)
LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 3
SAY_EVERY_SECONDS = 1.0
PIECE = 8 << 20
_TEXTS = ("operator", "object_type", "object_id", "channel")


def ask(search: Search, *, actor: Actor, now: datetime) -> Export:
    """Have an export made of what a search finds; of everything for an empty one."""
    with transaction.atomic():
        row = Export.objects.create(
            asked_by_kind=str(actor.kind),
            asked_by=actor.id,
            asked_at=now,
            filters=as_filters(search),
            last_seq=verification.last_link(),
        )
        _journal(row, actor, now, {"step": "asked", "filters": row.filters, "until": row.last_seq})
    return row


def fetched(row: Export, *, actor: Actor, now: datetime) -> Iterator[bytes]:
    """Write down that somebody fetches the file, and return it in pieces. Raises KeyError where it is gone."""
    with transaction.atomic():
        row = Export.objects.select_for_update().get(pk=row.pk)
        if not row.is_here or row.expires_at is None or row.expires_at <= now:
            raise KeyError(row.pk)
        row.fetched += 1
        row.save(update_fields=["fetched"])
        _journal(row, actor, now, {"step": "fetched", "sha256": row.sha256, "lines": row.lines})
    shelf = keeper()
    return (shelf.read(key) for key in row.parts)


def is_due(now: datetime) -> bool:
    """Whether an export waits for a worker."""
    return _due(now).exists()


def work(now: datetime) -> int:
    """Make one export that waits; return how many that were."""
    with transaction.atomic():
        row = _due(now).select_for_update(skip_locked=True).order_by("asked_at").first()
        if row is None:
            return 0
        if row.attempts >= MOST_ATTEMPTS:
            row.state, row.finished_at, row.lease_until = WorkState.FAILED, now, None
            row.save()
            return 1
        row.state, row.attempts, row.lease_until, row.walked = WorkState.RUNNING, row.attempts + 1, now + LEASE, 0
        row.save()
    try:
        _make(row)
    except Exception as problem:  # the store, the disk, the database: tried again when the lease is over
        logger.exception("an export of the journal was not made", extra={"export": str(row.pk)})
        Export.objects.filter(pk=row.pk).update(problem=type(problem).__name__)
    return 1


def forget(now: datetime) -> int:
    """Delete the files of exports whose time is over, and pieces that no row points to; return how many files went."""
    shelf, gone = keeper(), 0
    for row in Export.objects.exclude(parts=[]).filter(expires_at__lte=now):
        for key in row.parts:
            shelf.forget(key)
        Export.objects.filter(pk=row.pk).update(parts=[])
        gone += 1
    shelf.forget_orphans(_known, now)
    return gone


def as_filters(search: Search) -> dict[str, Any]:
    """Return a search as a manifest and a row say it; {} for everything."""
    said: dict[str, Any] = {name: getattr(search, name) for name in _TEXTS if getattr(search, name)}
    for name in ("subjects", "actions"):
        if getattr(search, name):
            said[name] = list(getattr(search, name))
    if search.actors:
        said["actors"] = [list(each) for each in search.actors]
    for name in ("since", "until"):
        if getattr(search, name) is not None:
            said[name] = getattr(search, name).isoformat()
    return said


def as_search(filters: Mapping[str, Any]) -> Search:
    """Return the search that `as_filters` has written down."""
    texts: dict[str, Any] = {name: str(filters[name]) for name in _TEXTS if name in filters}
    for name in ("since", "until"):
        if name in filters:
            texts[name] = datetime.fromisoformat(filters[name])
    return Search(
        subjects=tuple(filters.get("subjects", ())),
        actions=tuple(filters.get("actions", ())),
        actors=tuple((kind, each) for kind, each in filters.get("actors", ())),
        **texts,
    )


def _due(now: datetime) -> QuerySet[Export]:
    return Export.objects.filter(Q(state=WorkState.WAITING) | Q(state=WorkState.RUNNING, lease_until__lt=now))


def _known(keys: list[str]) -> set[str]:
    wanted = Export.objects.filter(parts__overlap=keys).values_list("parts", flat=True) if keys else ()
    return {key for parts in wanted for key in parts}


def _make(row: Export) -> None:
    with tempfile.TemporaryDirectory(prefix="journal-export-") as folder:
        path = Path(folder) / "journal.zip"
        _sign(chain.canonical({"begun": str(row.pk)}))  # the manifest names the keys: the very first is made here
        made = archive.write(path, _told(row, _pages(row)), _about(row), _sign)
        parts = list(_kept(path))
    now = clock.now()
    row.state, row.finished_at, row.lease_until, row.problem = WorkState.DONE, now, None, ""
    row.lines, row.walked, row.size, row.sha256, row.kid = made.lines, made.lines, made.size, made.sha256, made.kid
    row.parts, row.expires_at = parts, now + KEPT
    actor = Actor(ActorKind(row.asked_by_kind), row.asked_by, Channel.CONSOLE)
    with transaction.atomic():
        row.save()
        _journal(row, actor, now, {"step": "made", "sha256": made.sha256, "lines": made.lines})


def _about(row: Export) -> dict[str, Any]:
    """What the manifest says besides counts and digests."""
    head = Link.objects.filter(seq=row.last_seq).first()
    seals = Seal.objects.filter(last_seq__lte=row.last_seq).order_by("day")
    return {
        "journal": settings.PUBLIC_URL,
        "export": str(row.pk),
        "askedAt": row.asked_at.isoformat(),
        "askedBy": {"kind": row.asked_by_kind, "id": row.asked_by},
        "madeAt": clock.now().isoformat(),
        "filters": row.filters,
        "isWhole": not row.filters,
        "head": {"seq": row.last_seq, "hash": bytes(head.hash).hex() if head is not None else ""},
        "seals": [sealing.published(each) for each in seals],
        "keys": sealing.published_keys(signer().public_keys()),
    }


def _pages(row: Export) -> Iterator[list[Any]]:
    """The rows in pages by their place: everything, or what was found, whose places are looked up once.

    No cursor and no temporary table: between two pages the connection may be another's (PgBouncer).
    """
    if not row.filters:
        place = 0
        while page := _fetch(walking.QUICK, [place, row.last_seq, walking.PAGE]):
            place = page[-1][0]
            yield page
        return
    asked = readers.matching(as_search(row.filters))
    ids, parameters = asked.order_by().values("pk").query.sql_with_params()
    found = _fetch(
        f"SELECT seq FROM audit_links WHERE seq <= %s AND event_id IN ({ids}) ORDER BY seq",  # noqa: S608 - Django's SQL
        [row.last_seq, *parameters],
    )
    places = array("q", (each for (each,) in found))
    for start in range(0, len(places), walking.PAGE):
        yield _fetch(_AT_PLACES, [list(places[start : start + walking.PAGE])])


_AT_PLACES = (
    f"SELECT l.seq, l.event_id, l.prev_hash, l.hash, {walking.SPELLED}"  # noqa: S608 - our own column names
    " FROM audit_links l LEFT JOIN audit_logs e ON e.id = l.event_id WHERE l.seq = ANY(%s) ORDER BY l.seq"
)


def _fetch(sql: str, parameters: Sequence[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _told(row: Export, pages: Iterator[list[Any]]) -> Iterator[list[Any]]:
    """The pages, and meanwhile how far it is."""
    said = time.monotonic()
    for page in pages:
        yield page
        row.walked += len(page)
        if time.monotonic() - said > SAY_EVERY_SECONDS:
            said = time.monotonic()
            Export.objects.filter(pk=row.pk).update(walked=row.walked, lease_until=clock.now() + LEASE)


def _kept(path: Path) -> Iterator[str]:
    shelf = keeper()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield shelf.keep(piece)


@transaction.atomic
def _sign(statement: bytes) -> Signature:
    return signer().sign(statement, now=clock.now())


def _journal(row: Export, actor: Actor, now: datetime, details: Mapping[str, Any]) -> Event:
    return log.record(
        Action.EXPORT, actor=actor, at=now, object_type="journal_export", object_id=str(row.pk), details=details
    )
