"""What a provider answers to our portals: each callback is joined to its journey and taken once."""

from __future__ import annotations

from datetime import datetime

from beckn.door import Door
from beckn.messages import Received
from beckn.models import Outbox


def take(message: Received, *, our_request: Outbox | None, door: Door, now: datetime) -> None:
    """Take one callback; `door.done` belongs into the transaction of what it changes. No transaction is open here."""
