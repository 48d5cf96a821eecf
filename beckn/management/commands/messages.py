"""Inbox and outbox for operators: list what is stuck, and have it tried again (contract.md)."""

import json
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit import clock
from audit.log import Action, Actor, ActorKind, Channel, record
from beckn.models import Inbox, Outbox, State

OPERATOR = Actor(ActorKind.STAFF, "manage.py", Channel.CONSOLE)


class Command(BaseCommand):
    help = "Messages received and to be sent: list, retry ID (in-<n> or out-<n>)"

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listing = acts.add_parser("list")
        listing.add_argument("--state", type=str.upper, choices=State.values, help="default: all")
        listing.add_argument("--limit", type=int, default=100)
        retry = acts.add_parser("retry", help="try again now, with fresh attempts")
        retry.add_argument("id", help="as `messages list` shows it: in-17 or out-17")
        for act in acts.choices.values():
            act.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def handle(self, *_: Any, act: str, as_json: bool, **options: Any) -> None:
        found = self._list(**options) if act == "list" else [self._retry(options["id"])]
        if as_json:
            self.stdout.write(json.dumps(found if act == "list" else found[0], indent=2, default=str))
            return
        for row in found:
            words = (row["id"], row["state"], row["action"], row["participant"], row["since"], row["last_error"])
            self.stdout.write("  ".join(str(word) for word in words))

    def _list(self, *, state: str | None, limit: int, **_: Any) -> list[dict[str, Any]]:
        asked = {"state": state} if state else {}
        inbox = Inbox.objects.filter(**asked).select_related("participant").order_by("-received_at")[:limit]
        outbox = Outbox.objects.filter(**asked).select_related("participant").order_by("-created_at")[:limit]
        found = [told(row) for rows in (inbox, outbox) for row in rows]
        return sorted(found, key=lambda row: row["since"], reverse=True)[:limit]

    def _retry(self, name: str) -> dict[str, Any]:
        kind, _, number = name.partition("-")
        models: dict[str, type[Inbox] | type[Outbox]] = {"in": Inbox, "out": Outbox}
        if kind not in models or not number.isdigit():
            raise CommandError(f"{name} is no id of a message; they look like in-17 or out-17")
        row = again(models[kind], int(number), now=clock.now())
        if row is None:
            raise CommandError(f"{name} is not there, or not stuck and not waiting")
        return told(row)


def again(model: type[Inbox] | type[Outbox], pk: int, *, now: datetime) -> Inbox | Outbox | None:
    """Make a stuck or waiting message due now. None when there is no such one."""
    fresh: dict[str, Any] = {"state": State.WAITING, "due_at": now, "attempts": 0}
    if model is Outbox:
        fresh["give_up_at"] = now + timedelta(hours=24)
    with transaction.atomic():
        rows = model._default_manager.filter(pk=pk, state__in=(State.STUCK, State.WAITING)).exclude(lease_until__gt=now)
        if not rows.update(**fresh):
            return None
        kind = "inbox" if model is Inbox else "outbox"
        record(Action.MESSAGE_RETRIED, actor=OPERATOR, at=now, object_type=kind, object_id=str(pk))
        return model._default_manager.select_related("participant").get(pk=pk)


def told(row: Inbox | Outbox) -> dict[str, Any]:
    """Return what an operator sees of a message: never its content."""
    is_inbox = isinstance(row, Inbox)
    return {
        "id": f"{'in' if is_inbox else 'out'}-{row.pk}",
        "state": row.state,
        "action": row.action,
        "participant": row.participant.subscriber_id,
        "transaction_id": row.transaction_id,
        "message_id": row.message_id,
        "since": row.received_at if isinstance(row, Inbox) else row.created_at,
        "due_at": row.due_at,
        "attempts": row.attempts,
        "last_error": row.last_error,
        "incident_id": row.incident_id if isinstance(row, Inbox) else "",
    }
