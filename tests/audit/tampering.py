"""What somebody who owns the tables can do to the journal: switch the triggers off, change it, switch them on."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection

from audit import chain
from audit.log import SYSTEM, Action, Line, record_all
from audit.models import Event, Link
from audit.sequencer import COLUMNS, columns_sql, entry, link_events

TABLES = ("audit_logs", "audit_links", "audit_seals", "audit_pending")


@contextmanager
def as_owner() -> Iterator[Any]:
    """Yield a cursor for which neither triggers nor foreign keys stand in the way."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        yield cursor
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


def a_journal(lines: int, *, at: datetime) -> list[Event]:
    """Write and link some lines."""
    events = record_all(
        [Line(Action.LOGIN, SYSTEM, at, object_id=str(number), details={"n": number}) for number in range(lines)]
    )
    link_events(at)
    return events


def recompute_chain() -> None:
    """Make every link anew from the events as they now are, as a careful forger would."""
    assert "at" in COLUMNS
    with as_owner() as cursor:
        cursor.execute(
            f"SELECT e.id, {columns_sql()} FROM audit_logs e JOIN audit_links l ON l.event_id = e.id ORDER BY seq"
        )
        last = chain.GENESIS
        for seq, row in enumerate(cursor.fetchall(), start=1):
            following = chain.link_hash(last, seq, entry(row[0], row[1:]).fields)
            cursor.execute(
                "UPDATE audit_links SET prev_hash = %s, hash = %s WHERE seq = %s AND event_id = %s",
                [last, following, seq, row[0]],
            )
            last = following


def reference_at(seq: int) -> str:
    return Link.objects.select_related("event").get(seq=seq).event.reference
