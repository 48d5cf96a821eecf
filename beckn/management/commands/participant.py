"""Network participants: add, list, suspend. Taken by every process within a second (contract.md)."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import clock
from audit.log import Actor, ActorKind, Channel
from beckn import participants
from beckn.messages import instant
from beckn.models import Participant, ParticipantKey, Source

OPERATOR = Actor(ActorKind.STAFF, "manage.py", Channel.CONSOLE)


class Command(BaseCommand):
    help = "Network participants: add, list, suspend, resume, sync (our own identities and the participants file)"

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        add = acts.add_parser("add", help="add a participant or another key of one")
        add.add_argument("--subscriber-id", required=True)
        add.add_argument("--key-id", required=True)
        add.add_argument("--public-key", required=True, help="base64 of the 32 bytes of an Ed25519 key")
        add.add_argument(
            "--url", required=True, help="where callbacks go; messages may name this address or one below it"
        )
        add.add_argument("--type", default="BAP", choices=Participant.Type.values)
        add.add_argument(
            "--asserts-subjects", nargs="*", metavar="UTILITY", help="utilities whose customers it may name"
        )
        add.add_argument("--strict", action="store_true", default=None, help="leave our extensions out of its answers")
        add.add_argument("--message-ids", choices=Participant.MessageIds.values, help="echo, or new ones in callbacks")
        add.add_argument("--valid-from", type=_instant, help="RFC 3339 instant from which the key is good")
        add.add_argument("--valid-until", type=_instant, help="RFC 3339 instant from which it is not any more")
        acts.add_parser("list")
        suspend = acts.add_parser("suspend", help="refuse its messages from now on")
        _names_one(suspend)
        suspend.add_argument("--reason", default="")
        resume = acts.add_parser("resume", help="take its messages again")
        _names_one(resume)
        acts.add_parser("sync", help="write our own identities and the participants file into the table")
        for act in acts.choices.values():
            act.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def handle(self, *_: Any, act: str, as_json: bool, named: str | None = None, **options: Any) -> None:
        options["subscriber_id"] = named or options.get("subscriber_id")
        try:
            found = getattr(self, f"_{act}")(**options)
        except Participant.DoesNotExist:
            raise CommandError(f"{options['subscriber_id']} is no participant known here") from None
        except (ValueError, OSError) as problem:
            raise CommandError(str(problem)) from None
        if as_json:
            self.stdout.write(json.dumps(found, indent=2, default=str))
            return
        for row in found if isinstance(found, list) else [found]:
            keys = ", ".join(key["key_id"] for key in row["keys"])
            state = f"suspended {row['suspended_at']}" if row["suspended_at"] else "active"
            self.stdout.write(f"{row['subscriber_id']}  {row['type']}  {state}  {row['url']}  keys: {keys}")

    def _add(self, **options: Any) -> dict[str, Any]:
        asked = {name: options[name] for name in _ADD}
        row = participants.add(**asked, source=Source.COMMAND, actor=OPERATOR, now=clock.now())
        return told(row)

    def _list(self, **_: Any) -> list[dict[str, Any]]:
        return [told(row) for row in Participant.objects.prefetch_related("keys")]

    def _suspend(self, *, subscriber_id: str, reason: str, **_: Any) -> dict[str, Any]:
        return told(participants.suspend(subscriber_id, reason=reason, now=clock.now(), actor=OPERATOR))

    def _resume(self, *, subscriber_id: str, **_: Any) -> dict[str, Any]:
        return told(participants.resume(subscriber_id, now=clock.now(), actor=OPERATOR))

    def _sync(self, **_: Any) -> list[dict[str, Any]]:
        participants.sync(now=clock.now())
        return self._list()


_ADD = (
    "subscriber_id",
    "key_id",
    "public_key",
    "url",
    "type",
    "asserts_subjects",
    "strict",
    "message_ids",
    "valid_from",
    "valid_until",
)


def told(row: Participant) -> dict[str, Any]:
    """Return what an operator sees of a participant."""
    return {
        "subscriber_id": row.subscriber_id,
        "type": row.type,
        "url": row.url,
        "source": row.source,
        "suspended_at": row.suspended_at,
        "asserts_subjects": row.asserts_subjects,
        "strict": row.strict,
        "message_ids": row.message_ids,
        "keys": [_told_key(key) for key in row.keys.all()],
    }


def _told_key(key: ParticipantKey) -> dict[str, Any]:
    names = ("key_id", "public_key", "valid_from", "valid_until", "source", "fresh_until", "stale_until")
    return {name: getattr(key, name) for name in names}


def _names_one(act: ArgumentParser) -> None:
    """Take the id with or without the option's name."""
    one = act.add_mutually_exclusive_group(required=True)
    one.add_argument("subscriber_id", nargs="?", default=None)
    one.add_argument("--subscriber-id", dest="named")


def _instant(text: str) -> datetime:
    return instant(text)
