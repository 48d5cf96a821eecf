"""What staff does with a message that does not go on by itself: have it tried again, or give it up.

The console and `manage.py messages` call the same two. Each leaves a line in the journal, without the note's words,
and the note beside the message.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from django.db import transaction

from audit.log import Action, Actor, record
from beckn.door import Door
from beckn.inbox import PROCESS
from beckn.messages import CALLBACKS, received
from beckn.models import Inbox, MessageNote, Outbox, State
from beckn.nudge import nudge_on_commit
from beckn.outgoing import DELIVER

OPEN = (State.STUCK, State.WAITING)
GIVE_UP_AFTER = timedelta(hours=24)
Row = TypeVar("Row", Inbox, Outbox)


def retry(model: type[Row], pk: int, *, actor: Actor, now: datetime, note: str = "") -> Row | None:
    """Make a stuck or waiting message due now, with fresh attempts. None when it is neither, or in work."""
    fresh: dict[str, Any] = {"state": State.WAITING, "due_at": now, "attempts": 0}
    if model is Outbox:
        fresh["give_up_at"] = now + GIVE_UP_AFTER
    with transaction.atomic():
        row = _change(model, pk, fresh, now)
        if row is not None:
            _keep(row, MessageNote.Act.RETRIED, Action.MESSAGE_RETRIED, actor=actor, now=now, note=note)
            nudge_on_commit(PROCESS if model is Inbox else DELIVER, pk)
    return row


def give_up(model: type[Row], pk: int, *, actor: Actor, now: datetime, note: str) -> Row | None:
    """Leave a stuck or waiting message as it is, for good; None when it is neither, or in work.

    What it kept apart is wiped. The sender of a request that nobody has answered yet is told that it was our fault.
    """
    with transaction.atomic():
        found = model._default_manager.select_for_update().filter(pk=pk)
        was = found.values_list("state", flat=True).first()
        dropped = {"state": State.DROPPED, "lease": None, "lease_until": None, "sealed": None}
        row = _change(model, pk, dropped, now)
        if row is not None:
            _keep(row, MessageNote.Act.GIVEN_UP, Action.MESSAGE_GIVEN_UP, actor=actor, now=now, note=note)
            if isinstance(row, Inbox) and was == State.WAITING and row.action not in CALLBACKS:
                _apologise(row, now)
    return row


def name_of(row: Inbox | Outbox) -> str:
    """Return the id that people use: in-17, out-17."""
    return f"{'in' if isinstance(row, Inbox) else 'out'}-{row.pk}"


def _change(model: type[Row], pk: int, values: dict[str, Any], now: datetime) -> Row | None:
    rows = model._default_manager.filter(pk=pk, state__in=OPEN).exclude(lease_until__gt=now)
    if not rows.update(**values):
        return None
    return model._default_manager.select_related("participant").get(pk=pk)


def _keep(row: Inbox | Outbox, act: MessageNote.Act, action: Action, *, actor: Actor, now: datetime, note: str) -> None:
    is_inbox = isinstance(row, Inbox)
    kind = "inbox" if is_inbox else "outbox"
    about: dict[str, Any] = {"received": row} if is_inbox else {"sent": row}
    MessageNote.objects.create(act=act, at=now, by=actor.id[:255], note=note.strip(), **about)
    details = {"has_note": True} if note.strip() else None
    record(action, actor=actor, at=now, object_type=kind, object_id=str(row.pk), details=details)


def _apologise(row: Inbox, now: datetime) -> None:
    incident = str(uuid4())
    Inbox.objects.filter(pk=row.pk).update(incident_id=incident)
    row.incident_id = incident
    Door().apologise(received(row, row.participant, row.body), incident, now=now)
