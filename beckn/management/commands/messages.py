"""Inbox and outbox for operators: list what is stuck, have it tried again, or give it up (contract.md)."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import clock
from audit.log import Actor, ActorKind, Channel
from beckn import attending
from beckn.models import Inbox, Outbox, State

OPERATOR = Actor(ActorKind.STAFF, "manage.py", Channel.CONSOLE)


class Command(BaseCommand):
    help = "Messages received and to be sent: list, retry ID, give-up ID (in-<n> or out-<n>)"

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listing = acts.add_parser("list")
        listing.add_argument("--state", type=str.upper, choices=State.values, help="default: all")
        listing.add_argument("--limit", type=int, default=100)
        retry = acts.add_parser("retry", help="try again now, with fresh attempts")
        retry.add_argument("id", help="as `messages list` shows it: in-17 or out-17")
        retry.add_argument("--note", default="", help="why, for whoever looks at the message later")
        give_up = acts.add_parser("give-up", help="leave it as it is, for good")
        give_up.add_argument("id", help="as `messages list` shows it: in-17 or out-17")
        give_up.add_argument("--note", required=True, help="why")
        for act in acts.choices.values():
            act.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def handle(self, *_: Any, act: str, as_json: bool, **options: Any) -> None:
        found = self._list(**options) if act == "list" else [self._attend(act, options["id"], options["note"])]
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

    def _attend(self, act: str, name: str, note: str) -> dict[str, Any]:
        kind, _, number = name.partition("-")
        if kind not in ("in", "out") or not number.isdigit():
            raise CommandError(f"{name} is no id of a message; they look like in-17 or out-17")
        do = attending.retry if act == "retry" else attending.give_up
        said: Any = {"actor": OPERATOR, "now": clock.now(), "note": note}
        row: Inbox | Outbox | None = do(Inbox, int(number), **said) if kind == "in" else do(Outbox, int(number), **said)
        if row is None:
            raise CommandError(f"{name} is not there, in work now, or neither stuck nor waiting")
        return told(row)


def told(row: Inbox | Outbox) -> dict[str, Any]:
    """Return what an operator sees of a message: never its content."""
    return {
        "id": attending.name_of(row),
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
