"""`manage.py agency add | list | suspend | resume`."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import clock
from audit.log import Actor, ActorKind, Channel
from identity import agencies
from identity.models import Agency

OPERATOR = Actor(ActorKind.STAFF, "manage.py", Channel.CONSOLE)


def moment(text: str) -> datetime:
    """Read a date (its first instant, UTC) or an instant with a zone."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} should be like 2027-12-31 or 2027-12-31T18:30:00+05:30") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def operator(text: str) -> agencies.Operator:
    """Read `op-1` or `op-1=2027-12-31`."""
    operator_id, _, until = text.partition("=")
    if not operator_id:
        raise ArgumentTypeError("an operator needs an id")
    return agencies.Operator(operator_id, moment(until) if until else None)


class Command(BaseCommand):
    help = "Enrolment agencies; what is changed counts from the next message on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        add = commands.add_parser("add", help="write an agency, new or anew")
        add.add_argument("--agency-id", required=True)
        add.add_argument("--name", required=True)
        add.add_argument("--certified-from", type=moment, help="default: now")
        add.add_argument("--certified-until", type=moment, help="exclusive; default: until withdrawn")
        many: dict[str, Any] = {"action": "extend", "nargs": "+", "default": []}
        add.add_argument("--participant", help="subscriber ids that may send for it; default: nobody", **many)
        add.add_argument("--utility", help="default: any", **many)
        add.add_argument("--program", help="default: any", **many)
        add.add_argument("--operator", type=operator, metavar="ID[=UNTIL]", **many)
        for key in ("email", "phone", "url", "hours"):
            add.add_argument(f"--{key}", default="", help="of the organisation")
        listing = commands.add_parser("list")
        changes = [commands.add_parser("suspend"), commands.add_parser("resume")]
        for each in changes:
            each.add_argument("agency_id")
            each.add_argument("--reason", default="")
        for each in (add, listing, *changes):
            each.add_argument("--json", action="store_true")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        if command == "list":
            self._list(options["json"])
            return
        now = clock.now()
        try:
            if command == "add":
                agency = self._add(options, now)
            else:
                change = agencies.suspend if command == "suspend" else agencies.resume
                agency = change(options["agency_id"], reason=options["reason"], actor=OPERATOR, at=now)
        except agencies.UnknownAgency as error:
            raise CommandError(f"There is no agency {error}.") from error
        told = agencies.facts(agency)
        self.stdout.write(json.dumps(told) if options["json"] else _line(told))

    def _add(self, options: dict[str, Any], now: datetime) -> Agency:
        begins, ends = options["certified_from"] or now, options["certified_until"]
        if ends is not None and ends <= begins:
            raise CommandError("--certified-until should be after --certified-from.")
        details = agencies.Details(
            name=options["name"],
            certified_from=begins,
            certified_until=ends,
            utilities=options["utility"],
            programs=options["program"],
            participants=options["participant"],
            operators=options["operator"],
            contact={key: options[key] for key in ("email", "phone", "url", "hours")},
        )
        return agencies.add(options["agency_id"], details, actor=OPERATOR, at=now)

    def _list(self, as_json: bool) -> None:
        told = [
            agencies.facts(agency) for agency in Agency.objects.prefetch_related("memberships").order_by("agency_id")
        ]
        self.stdout.write(json.dumps(told) if as_json else "\n".join(_line(each) for each in told) or "No agencies.")


def _line(told: dict[str, Any]) -> str:
    state = (
        f"suspended {told['suspendedAt']}" if told["suspendedAt"] else f"until {told['certifiedUntil'] or 'withdrawn'}"
    )
    senders = ", ".join(told["participants"]) or "nobody"
    operators = ", ".join(each["operatorId"] for each in told["operators"] if each["active"]) or "none"
    return f"{told['agencyId']}  {told['name']}  {state}  sent for by {senders}  operators {operators}"
