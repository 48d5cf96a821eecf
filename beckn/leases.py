"""Who works on which row: a lease taken in one short statement, never held by a lock (decisions 23, 29).

A worker that dies leaves a lease that runs out; the next one takes the row. Claiming is fair in a simple way: of one
participant at most a few rows are in work at once, so that a peer that hangs cannot hold up the others. The few are no
exact number: two claims that count at the same instant may take one more.
"""

from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from beckn import participants
from beckn.models import Inbox, Outbox, State

Row = TypeVar("Row", Inbox, Outbox)

_FREE = "state = 'WAITING' AND due_at <= %(now)s AND (lease_until IS NULL OR lease_until <= %(now)s)"
# Outgoing rows wait for a peer that is suspended or did not answer a moment ago; what came in is worked off anyhow.
_READY_PEER = {
    Inbox: "TRUE",
    Outbox: "p.suspended_at IS NULL AND (p.held_until IS NULL OR p.held_until <= %(now)s)",
}

# The participants with anything waiting are found by hopping along the index, not by reading every waiting row.
_CLAIM = """
WITH RECURSIVE waiting AS (
  (SELECT participant_id FROM {table} WHERE state = 'WAITING' ORDER BY participant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT n.participant_id FROM {table} n WHERE n.state = 'WAITING' AND n.participant_id > w.participant_id
          ORDER BY n.participant_id LIMIT 1) FROM waiting w WHERE w.participant_id IS NOT NULL
), free AS (
  SELECT o.id, o.due_at FROM waiting w JOIN beckn_participants p ON p.id = w.participant_id CROSS JOIN LATERAL (
    SELECT id, due_at FROM {table} WHERE participant_id = p.id AND {free} ORDER BY due_at, id
    LIMIT GREATEST(0, LEAST(%(most)s, %(each)s - (SELECT count(*) FROM {table} busy
      WHERE busy.participant_id = p.id AND busy.state = 'WAITING' AND busy.lease_until > %(now)s)))
  ) o WHERE {peer} ORDER BY o.due_at LIMIT %(most)s
), mine AS (SELECT id FROM {table} WHERE id IN (SELECT id FROM free) AND {free} FOR UPDATE SKIP LOCKED)
UPDATE {table} t SET lease = %(lease)s, lease_until = %(until)s, attempts = t.attempts + 1
FROM mine WHERE t.id = mine.id RETURNING t.*
"""
_CLAIM_NEXT = """
UPDATE {table} t SET lease = %(lease)s, lease_until = %(until)s, attempts = t.attempts + 1
WHERE t.id = (
  SELECT id FROM {table} WHERE participant_id = %(participant)s AND {free}
    AND EXISTS (SELECT 1 FROM beckn_participants p WHERE p.id = %(participant)s AND {peer})
  ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING t.*
"""
_CLAIM_ONE = """
UPDATE {table} t SET lease = %(lease)s, lease_until = %(until)s, attempts = t.attempts + 1
FROM beckn_participants p
WHERE t.id = %(id)s AND p.id = t.participant_id AND {peer}
  AND t.state = 'WAITING' AND t.due_at <= %(now)s AND (t.lease_until IS NULL OR t.lease_until <= %(now)s)
  AND (SELECT count(*) FROM {table} busy WHERE busy.participant_id = t.participant_id
       AND busy.state = 'WAITING' AND busy.lease_until > %(now)s) < %(each)s
RETURNING t.*
"""


def claim(model: type[Row], *, now: datetime, seconds: float, most: int, each: int) -> list[Row]:
    """Take up to `most` due rows for `seconds`, of one participant at most `each` in work at once; return them."""
    if most <= 0:
        return []
    return _run(_CLAIM, model, {"now": now, "each": each, "most": most}, now, seconds)


def claim_next(model: type[Row], participant_id: int, *, now: datetime, seconds: float) -> Row | None:
    """Take the next due row of one participant, in place of one that was just done; None when there is none."""
    found = _run(_CLAIM_NEXT, model, {"now": now, "participant": participant_id}, now, seconds)
    return found[0] if found else None


def claim_one(model: type[Row], row_id: int, *, now: datetime, seconds: float, each: int) -> Row | None:
    """Take this row if it is due, free, and its participant has fewer than `each` rows in work; return it."""
    found = _run(_CLAIM_ONE, model, {"now": now, "id": row_id, "each": each}, now, seconds)
    return found[0] if found else None


def release(row: Row, **changes: object) -> bool:
    """Write `changes` and give the lease back; False when it had run out and somebody else has the row now."""
    values = {"lease": None, "lease_until": None, **changes}
    return bool(type(row).objects.filter(pk=row.pk, state=State.WAITING, lease=row.lease).update(**values))


def _run(statement: str, model: type[Row], values: dict[str, Any], now: datetime, seconds: float) -> list[Row]:
    text = statement.format(table=model._meta.db_table, free=_FREE, peer=_READY_PEER[model])
    lease: UUID = uuid4()
    rows = list(model._default_manager.raw(text, {**values, "lease": lease, "until": now + timedelta(seconds=seconds)}))
    for row in rows:
        row.participant = participants.remembered(row.participant_id)
    return rows
