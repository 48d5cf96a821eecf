"""`manage.py staff add | list | switch-off | switch-on`."""

import json
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse

from audit import clock
from audit.log import Actor, ActorKind, Channel
from identity import staffing
from identity.models import StaffMember, User
from identity.providers import STAFF, with_slug
from identity.staff import Role
from identity.staffing import NotPossible, Why

OPERATOR = Actor(ActorKind.STAFF, "manage.py", Channel.CONSOLE)


class Command(BaseCommand):
    help = (
        "Who works at the console, and in which roles. The first security officer is added here; they invite the"
        " others. What is changed counts from the next page on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        add = commands.add_parser("add", help="write somebody down and send them an invitation by e-mail")
        add.add_argument("--name", required=True)
        add.add_argument("--email", required=True)
        add.add_argument("--role", required=True, nargs="+", choices=[role.value for role in Role])
        add.add_argument("--officer-of", nargs="+", default=[], metavar="UTILITY", help="its agencies they may suspend")
        ways = add.add_mutually_exclusive_group()
        ways.add_argument("--show-link", action="store_true", help="print the invitation's link; no e-mail is sent")
        ways.add_argument("--sub", default="", help="their `sub` at the provider, in place of an invitation")
        add.add_argument("--provider", metavar="SLUG", default="", help="of the provider (kind STAFF), with --sub")
        listing = commands.add_parser("list", help="everybody, with their ids")
        off = commands.add_parser("switch-off", help="let somebody in no more")
        on = commands.add_parser("switch-on", help="let somebody in again, with the roles they had")
        for each in (off, on):
            each.add_argument("member", help="their id (staff list), or their e-mail address")
            each.add_argument("--reason", default="", help="a code; no names")
        for each in (add, listing, off, on):
            each.add_argument("--json", action="store_true")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        if command == "list":
            everybody = [facts(each) for each in staffing.everybody()]
            lines = "\n".join(map(_line, everybody)) or "Nobody."
            self.stdout.write(json.dumps(everybody) if options["json"] else lines)
            return
        try:
            member, link = self._add(options) if command == "add" else (self._switch(command, options), "")
        except NotPossible as refused:
            raise CommandError(_WORDS.get(refused.why, refused.why.value)) from refused
        told = facts(member) | ({"link": link} if link else {})
        self.stdout.write(json.dumps(told) if options["json"] else _line(told))

    def _add(self, options: dict[str, Any]) -> tuple[StaffMember, str]:
        now, links = clock.now(), []

        def link(token: str) -> str:
            links.append(f"{settings.CONSOLE_URL}{reverse('admin:join')}?{urlencode({'t': token})}")
            return str(links[-1])

        unknown = set(options["officer_of"]) - {each.id for each in settings.UTILITIES}
        if unknown:
            raise CommandError(f"There is no utility {', '.join(sorted(unknown))} in UTILITIES.")
        who = staffing.Invited(
            options["name"], options["email"], [Role(each) for each in options["role"]], options["officer_of"]
        )
        with transaction.atomic():
            member = staffing.invite(who, link=None if options["sub"] else link, now=now, by=OPERATOR)
            if options["sub"]:
                staffing.bind(member, User.objects.for_login(_issuer(options["provider"]), options["sub"]), now=now)
            if options["show_link"]:
                staffing.forget_letters(member, now)
        return member, links[-1] if options["show_link"] else ""

    def _switch(self, command: str, options: dict[str, Any]) -> StaffMember:
        member = _found(options["member"])
        change = staffing.switch_off if command == "switch-off" else staffing.switch_on
        change(member, reason=options["reason"], now=clock.now(), by=OPERATOR)
        member.refresh_from_db()
        return member


def facts(member: StaffMember) -> dict[str, Any]:
    """What is told of a member: names and addresses stand in no log."""
    state = "off" if member.switched_off_at else "invited" if member.user_id is None else "on"
    return {"id": str(member.pk), "name": member.name, "roles": member.roles, "state": state}


def _line(told: dict[str, Any]) -> str:
    line = f"{told['id']}  {told['state']:<8} {', '.join(told['roles'])}  {told['name']}"
    return f"{line}\n{told['link']}" if "link" in told else line


def _found(named: str) -> StaffMember:
    if "@" in named:
        rows = StaffMember.objects.filter(email_index=staffing.index_of(named)).order_by("switched_off_at", "-added_at")
        found = rows.first()
    else:
        found = next((each for each in StaffMember.objects.all() if str(each.pk) == named.lower()), None)
    if found is None:
        raise CommandError("There is nobody of this id or address: `staff list` names everybody.")
    return found


def _issuer(slug: str) -> str:
    ours = [each for each in settings.OIDC_PROVIDERS if each.kind == STAFF]
    provider = with_slug(slug) if slug else (ours[0] if len(ours) == 1 else None)
    if provider is None or provider.kind != STAFF:
        raise CommandError("--provider should be the slug of a provider of kind STAFF in OIDC_PROVIDERS.")
    return provider.issuer


_WORDS = {
    Why.ADDRESS_TAKEN: "Somebody who works here has this address already: one person has one account.",
    Why.IS_MEMBER: "This account at the provider belongs to somebody already.",
    Why.LAST_OFFICER: "This is the last security officer. Make somebody else one first.",
    Why.TOO_MANY: "Today's invitations are used up; try again in half an hour.",
}
