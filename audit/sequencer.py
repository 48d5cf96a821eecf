"""Putting events into the chain: one process at a time, within a second of their commit (decision 32).

Kept out of the acts' own transactions, where every commit would wait for the one before it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit import chain
from audit.chain import Entry

BATCH = 2_000
LOCK = 0x0A0D17  # advisory lock number of the sequencer

# The columns that are hashed, in the order they are read. What is not here could be changed unseen.
COLUMNS = (
    "public_id",
    "at",
    "recorded_at",
    "action",
    "actor_kind",
    "actor_id",
    "channel",
    "on_behalf_of",
    "subject",
    "object_type",
    "object_id",
    "before_digest",
    "after_digest",
    "details",
)
_READ = ", ".join(f"e.{column}" for column in COLUMNS)


def link_events(now: datetime, *, limit: int = 20_000) -> int:
    """Link committed events that have no link yet, oldest id first; return how many.

    Returns 0 at once when another process is at it. `limit` bounds one call.
    """
    linked = 0
    while linked < limit:
        batch = _link_batch(now)
        linked += batch
        if batch < BATCH:
            break
    return linked


def entry(event_id: int, values: Sequence[Any]) -> Entry:
    """Return an event as the chain hashes it, from its id and the values of COLUMNS."""
    fields = {"id": event_id, **{name: _plain(value) for name, value in zip(COLUMNS, values, strict=True)}}
    if isinstance(fields["details"], str):  # a raw cursor gives jsonb as text
        fields["details"] = json.loads(fields["details"])
    return Entry(event_id, f"log-{fields['public_id']}", fields)


def columns_sql() -> str:
    """Return the select list of COLUMNS for a table called `e`."""
    return _READ


@transaction.atomic
def _link_batch(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "DELETE FROM audit_pending WHERE event_id IN"
            " (SELECT event_id FROM audit_pending ORDER BY event_id LIMIT %s) RETURNING event_id",
            [BATCH],
        )
        waiting = [row[0] for row in cursor.fetchall()]
        if not waiting:
            return 0
        # An id that was queued twice (a restored dump fires the trigger) or is linked already is passed over.
        cursor.execute(
            f"SELECT e.id, {_READ} FROM audit_logs e WHERE e.id = ANY(%s)"  # noqa: S608 - our own column names
            " AND NOT EXISTS (SELECT 1 FROM audit_links l WHERE l.event_id = e.id) ORDER BY e.id",
            [waiting],
        )
        entries = [entry(row[0], row[1:]) for row in cursor.fetchall()]
        cursor.execute("SELECT seq, hash FROM audit_links ORDER BY seq DESC LIMIT 1")
        seq, last = cursor.fetchone() or (0, chain.GENESIS)
        _insert(cursor, _links(entries, seq, bytes(last)), now)
    return len(waiting)


def _links(entries: Iterable[Entry], seq: int, last: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    for each in entries:
        seq += 1
        following = chain.link_hash(last, seq, each.fields)
        yield seq, each.event_id, last, following
        last = following


def _insert(cursor: Any, links: Iterable[tuple[int, int, bytes, bytes]], now: datetime) -> None:
    columns = list(zip(*links, strict=True))
    if columns:
        cursor.execute(
            "INSERT INTO audit_links (seq, event_id, prev_hash, hash, linked_at)"
            " SELECT *, %s FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bytea[])",
            [now, *(list(column) for column in columns)],
        )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return chain.instant(value)
    return str(value) if isinstance(value, UUID) else value
