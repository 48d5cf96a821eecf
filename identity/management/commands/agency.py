"""`manage.py agency add | list | certify | invite | suspend | resume | suspend-member | resume-member`."""

import hashlib
import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from audit import clock
from audit.log import Actor, ActorKind, Channel
from identity import agencies, certification, members
from identity.certification import Document, Training
from identity.models import Agency, Membership
from identity.providers import agents_sign_ins

OPERATOR = Actor(ActorKind.STAFF, "manage.py", Channel.CONSOLE)
ROLES = tuple(Membership.Role.values)


def moment(text: str) -> datetime:
    """Read a date (its first instant, UTC) or an instant with a zone."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} should be like 2027-12-31 or 2027-12-31T18:30:00+05:30") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def operator(text: str) -> agencies.Operator:
    """Read `op-1`, `op-1=2027-12-31` or `op-1:MANAGER=2027-12-31`."""
    named, _, until = text.partition("=")
    operator_id, _, role = named.partition(":")
    if not operator_id:
        raise ArgumentTypeError("an operator needs an id")
    if role and role not in ROLES:
        raise ArgumentTypeError(f"{role} should be one of {', '.join(ROLES)}")
    return agencies.Operator(operator_id, moment(until) if until else None, role)


def training(text: str) -> Training:
    """Read `op-1=2026-09-01` (the day of the training) or `op-1=2026-09-01..2027-09-01` (and the certificate's end)."""
    operator_id, _, days = text.partition("=")
    trained, _, until = days.partition("..")
    try:
        on = date.fromisoformat(trained)
    except ValueError:
        raise ArgumentTypeError(f"{text} should be like op-1=2026-09-01 or op-1=2026-09-01..2027-09-01") from None
    return Training(operator_id, on, moment(until) if until else None)


class Command(BaseCommand):
    help = (
        "Enrolment agencies; what is changed counts from the next message and the next page on. `add` writes who they"
        " are, `certify` is the act of the utility that certifies them, `invite` brings the first manager in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        add = commands.add_parser("add", help="write an agency, new or anew; operators not named are switched off")
        add.add_argument("--agency-id", required=True)
        add.add_argument("--name", required=True)
        add.add_argument("--certified-from", type=moment, help="default: now")
        add.add_argument("--certified-until", type=moment, help="exclusive; default: until withdrawn")
        many: dict[str, Any] = {"action": "extend", "nargs": "+", "default": []}
        add.add_argument("--participant", help="subscriber ids that may send for it; default: nobody", **many)
        add.add_argument("--utility", help="default: any", **many)
        add.add_argument("--program", help="default: any", **many)
        add.add_argument("--operator", type=operator, metavar="ID[:ROLE][=UNTIL]", **many)
        add.add_argument("--portal-id", help="the subscriber id (role agency) that its portal here signs as")
        add.add_argument("--sign-in", metavar="SLUG", help="of the provider (kind AGENCY) its people sign in at")
        add.add_argument("--minimum-acr", help="what their sign-in reaches, if more than the provider's")
        add.add_argument("--daily-invitations", type=int, help="how many customers it may invite a day")
        for key in ("email", "phone", "url", "hours"):
            add.add_argument(f"--{key}", default="", help="of the organisation")
        listing = commands.add_parser("list", help="all agencies with their operators")
        certify = commands.add_parser("certify", help="write a utility's certificate, and its operators' trainings")
        certify.add_argument("agency_id")
        certify.add_argument("--utility", required=True, help="which certifies it; later only this one changes that")
        certify.add_argument("--reference", required=True, help="of the certificate, as the utility files it")
        certify.add_argument("--document", type=Path, help="the certificate's file; its SHA-256 is kept, not the file")
        certify.add_argument("--digest", default="", help="in place of --document: its SHA-256 in hex")
        certify.add_argument("--from", dest="begins", type=moment, help="default: now")
        certify.add_argument("--until", type=moment, help="exclusive; default: until withdrawn")
        certify.add_argument("--operator", type=training, metavar="ID=TRAINED[..UNTIL]", **many)
        invite = commands.add_parser("invite", help="invite somebody by e-mail: the first manager, most often")
        invite.add_argument("agency_id")
        invite.add_argument("--operator-id", required=True)
        invite.add_argument("--name", required=True)
        invite.add_argument("--email", required=True)
        invite.add_argument("--role", choices=ROLES, default=Membership.Role.MANAGER)
        changes = [commands.add_parser("suspend"), commands.add_parser("resume")]
        for each in changes:
            each.add_argument("agency_id")
            each.add_argument("--utility", default="", help="in the name of the utility that certifies it")
            each.add_argument("--reason", default="")
        of_people = [commands.add_parser("suspend-member"), commands.add_parser("resume-member")]
        for each in of_people:
            each.add_argument("agency_id")
            each.add_argument("operator_id")
            each.add_argument("--utility", default="", help="in the name of the utility that certifies the agency")
            each.add_argument("--reason", required=True)
        for each in (add, listing, certify, invite, *changes, *of_people):
            each.add_argument("--json", action="store_true")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        if command == "list":
            self._list(options["json"])
            return
        doing = {
            "add": self._add,
            "certify": self._certify,
            "invite": self._invite,
            "suspend": self._suspend,
            "resume": self._resume,
            "suspend-member": self._suspend_member,
            "resume-member": self._resume_member,
        }[command]
        try:
            agency = doing(options, clock.now())
        except agencies.UnknownAgency as error:
            raise CommandError(f"There is no agency {error}.") from error
        except certification.UnknownOperator as error:
            raise CommandError(f"The agency has no operator {error}: invite or add them first.") from error
        except certification.NotTheCertifier as error:
            raise CommandError(f"This utility may not: the agency is certified by {error}.") from error
        except members.NotPossible as error:
            raise CommandError(_WORDS.get(error.why, str(error))) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        told = agencies.facts(agency)
        self.stdout.write(json.dumps(told) if options["json"] else _line(told))

    def _add(self, options: dict[str, Any], now: datetime) -> Agency:
        begins, ends = options["certified_from"] or now, options["certified_until"]
        if ends is not None and ends <= begins:
            raise CommandError("--certified-until should be after --certified-from.")
        known = Agency.objects.filter(agency_id=options["agency_id"]).first()
        if known is not None and known.certified_by and (options["certified_from"] or ends):
            raise CommandError(f"{known.certified_by} certifies this agency: `agency certify` changes its dates.")
        details = agencies.Details(
            name=options["name"],
            certified_from=begins,
            certified_until=ends,
            utilities=options["utility"],
            programs=options["program"],
            participants=options["participant"],
            operators=options["operator"],
            contact={key: options[key] for key in ("email", "phone", "url", "hours")},
            portal=_portal(options),
        )
        return agencies.add(options["agency_id"], details, actor=OPERATOR, at=now)

    def _certify(self, options: dict[str, Any], now: datetime) -> Agency:
        utility, begins, ends = options["utility"], options["begins"] or now, options["until"]
        if utility not in {each.id for each in settings.UTILITIES}:
            raise CommandError(f"There is no utility {utility} in UTILITIES.")
        if ends is not None and ends <= begins:
            raise CommandError("--until should be after --from.")
        return certification.certify(
            options["agency_id"],
            utility_id=utility,
            document=Document(options["reference"], _digest(options)),
            certified_from=begins,
            certified_until=ends,
            trainings=options["operator"],
            actor=_officer(utility),
            at=now,
        )

    def _invite(self, options: dict[str, Any], now: datetime) -> Agency:
        agency = _found(options["agency_id"])
        who = members.Invited(options["operator_id"], options["name"], options["email"], options["role"])
        members.invite(agency, who, link=_link, now=now, by=OPERATOR)
        return agency

    def _suspend(self, options: dict[str, Any], now: datetime) -> Agency:
        said: dict[str, Any] = {"reason": options["reason"], "at": now}
        if options["utility"]:
            actor, utility = _officer(options["utility"]), options["utility"]
            return certification.suspend(options["agency_id"], utility_id=utility, actor=actor, **said)
        return agencies.suspend(options["agency_id"], actor=OPERATOR, **said)

    def _resume(self, options: dict[str, Any], now: datetime) -> Agency:
        said: dict[str, Any] = {"reason": options["reason"], "at": now}
        if options["utility"]:
            actor, utility = _officer(options["utility"]), options["utility"]
            return certification.resume(options["agency_id"], utility_id=utility, actor=actor, **said)
        return agencies.resume(options["agency_id"], actor=OPERATOR, **said)

    def _suspend_member(self, options: dict[str, Any], now: datetime) -> Agency:
        member, actor, by = _member(options)
        agencies.suspend_member(member, reason=options["reason"], actor=actor, at=now, by=by)
        return member.agency

    def _resume_member(self, options: dict[str, Any], now: datetime) -> Agency:
        member, actor, _by = _member(options)
        agencies.resume_member(member, reason=options["reason"], actor=actor, at=now)
        return member.agency

    def _list(self, as_json: bool) -> None:
        told = [
            agencies.facts(agency) for agency in Agency.objects.prefetch_related("memberships").order_by("agency_id")
        ]
        self.stdout.write(json.dumps(told) if as_json else "\n".join(_line(each) for each in told) or "No agencies.")


_WORDS = {
    members.Why.OPERATOR_TAKEN: "The agency has an operator of this id already.",
    members.Why.TOO_MANY: "The agency has sent its invitations of today; try again in half an hour.",
}


def _portal(options: dict[str, Any]) -> dict[str, Any]:
    """What `add` was told of the agency's portal here; what it was not told stays as it is."""
    said = {key: options[key] for key in ("portal_id", "minimum_acr", "daily_invitations") if options[key] is not None}
    if options["portal_id"]:
        ours = {each.subscriber_id for each in settings.BECKN_IDENTITIES if each.role == "agency"}
        if options["portal_id"] not in ours:
            raise CommandError(f"{options['portal_id']} is no identity of role agency in BECKN_IDENTITIES.")
        taken = Agency.objects.filter(portal_id=options["portal_id"]).exclude(agency_id=options["agency_id"]).first()
        if taken is not None:
            raise CommandError(f"{options['portal_id']} is {taken.agency_id}'s: each agency signs with its own key.")
    if options["sign_in"] is not None:
        issuers = {each.slug: each.issuer for each in agents_sign_ins()}
        if options["sign_in"] and options["sign_in"] not in issuers:
            raise CommandError(f"{options['sign_in']} is no provider of kind AGENCY in OIDC_PROVIDERS.")
        said["sign_in_issuer"] = issuers.get(options["sign_in"], "")
    return said


def _digest(options: dict[str, Any]) -> str:
    if bool(options["document"]) == bool(options["digest"]):
        raise CommandError("Give the certificate's file with --document, or its SHA-256 with --digest.")
    if options["digest"]:
        return str(options["digest"]).lower()
    try:
        return hashlib.sha256(options["document"].read_bytes()).hexdigest()
    except OSError as error:
        raise CommandError(f"{options['document']} cannot be read ({error.strerror}).") from error


def _officer(utility_id: str) -> Actor:
    return Actor(ActorKind.STAFF, "manage.py", Channel.CONSOLE, on_behalf_of=utility_id)


def _member(options: dict[str, Any]) -> tuple[Membership, Actor, str]:
    agency = _found(options["agency_id"])
    if options["utility"] and agency.certified_by != options["utility"]:
        raise certification.NotTheCertifier(agency.certified_by or "nobody")
    member = agency.memberships.select_related("agency").filter(operator_id=options["operator_id"]).first()
    if member is None:
        raise certification.UnknownOperator(options["operator_id"])
    is_utilitys = bool(options["utility"])
    return member, _officer(options["utility"]) if is_utilitys else OPERATOR, "UTILITY" if is_utilitys else "OWNER"


def _found(agency_id: str) -> Agency:
    agency = Agency.objects.filter(agency_id=agency_id).first()
    if agency is None:
        raise agencies.UnknownAgency(agency_id)
    return agency


def _link(token: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse('agency-join')}?{urlencode({'t': token})}"


def _line(told: dict[str, Any]) -> str:
    state = (
        f"suspended {told['suspendedAt']}" if told["suspendedAt"] else f"until {told['certifiedUntil'] or 'withdrawn'}"
    )
    senders = ", ".join(told["participants"]) or "nobody"
    operators = ", ".join(each["operatorId"] for each in told["operators"] if each["active"]) or "none"
    certifier = f"  certified by {told['certifiedBy']}" if told["certifiedBy"] else ""
    return f"{told['agencyId']}  {told['name']}  {state}{certifier}  sent for by {senders}  operators {operators}"
