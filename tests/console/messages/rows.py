"""Messages and participants as rows, for pages that only look."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from audit import clock
from beckn import participants
from beckn.models import Inbox, Outbox, Participant

KEY = "awGPjRK6i/Vg/lWr+0xObclVxlwZXvTjWYtlu6NeOHk="
_numbers = itertools.count(1)


def peer(name: str = "", **more: Any) -> Participant:
    name = name or f"bap-{next(_numbers)}.example"
    given = {"url": f"https://{name}/bap", "key_id": "k1", "public_key": KEY, "now": clock.now(), **more}
    return participants.add(subscriber_id=name, **given)


def came(participant: Participant, *, at: datetime | None = None, **more: Any) -> Inbox:
    """A message that came and is done, unless `more` says otherwise."""
    at = at or clock.now()
    number = next(_numbers)
    values: dict[str, Any] = {
        "sender_id": participant.subscriber_id,
        "action": "confirm",
        "message_id": f"message-{number}",
        "transaction_id": f"transaction-{number}",
        "participant": participant,
        "profile": "A",
        "key_id": "k1",
        "digest": "digest",
        "body": {"context": {"bpp_id": "us"}, "message": {}},
        "received_at": at,
        "deadline": at + timedelta(seconds=30),
        "due_at": at,
        "state": "DONE",
        "done_at": at,
        **more,
    }
    if values["state"] != "DONE":
        values["done_at"] = None
    return Inbox.objects.create(**values)


def owed(participant: Participant, *, at: datetime | None = None, **more: Any) -> Outbox:
    """A message that waits to be sent, unless `more` says otherwise."""
    at = at or clock.now()
    number = next(_numbers)
    values: dict[str, Any] = {
        "kind": "ANSWER",
        "action": "on_confirm",
        "sender_id": "us",
        "participant": participant,
        "uri": participant.url,
        "transaction_id": f"transaction-{number}",
        "message_id": f"message-{number}",
        "body": {"context": {}, "message": {}},
        "created_at": at,
        "give_up_at": at + timedelta(hours=24),
        "due_at": at,
        **more,
    }
    return Outbox.objects.create(**values)
