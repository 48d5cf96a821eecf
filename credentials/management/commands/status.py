"""manage.py status publish | show (contract.md)."""

from argparse import ArgumentParser
from typing import Any

from audit import clock
from credentials import addresses, lists, publishing
from credentials.claims import instant
from credentials.management.reporting import Reporting
from credentials.models import IssuedCredential, Purpose, StatusChange, StatusList


class Command(Reporting):
    help = "Publish the status lists now, or show how they stand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        acts = parser.add_subparsers(dest="act", required=True)
        for name, words in (("publish", "make missing lists and publish all of them now"), ("show", "how they stand")):
            act = acts.add_parser(name, help=words)
            act.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, options["act"])(options)

    def publish(self, options: dict[str, Any]) -> None:
        now = clock.now()
        made = lists.create_missing(now=now)
        published = publishing.publish_all(now)
        self.say(options, {"published": published, "created": len(made)}, f"{published} lists published")

    def show(self, options: dict[str, Any]) -> None:
        shown = [_told(each, purpose) for each in StatusList.objects.all() for purpose in Purpose.values]
        self.say(
            options,
            shown,
            *(
                f"{each['url']}  version {each['version']}, {each['set']} set, {each['taken']} of {each['size']} taken,"
                f" {each['pendingChanges']} changes waiting, valid until {each['validUntil']}"
                for each in shown
            ),
        )


def _told(status_list: StatusList, purpose: str) -> dict[str, Any]:
    credentials = IssuedCredential.objects.filter(status_list=status_list)
    column = "revoked_at" if purpose == Purpose.REVOCATION else "suspended_at"
    latest = publishing.latest(status_list, purpose)
    return {
        "url": addresses.status_list(status_list.kind, purpose, status_list.number),
        "version": latest.version if latest else 0,
        "signedAt": instant(latest.signed_at) if latest else None,
        "validUntil": instant(latest.valid_until) if latest else None,
        "set": credentials.filter(**{f"{column}__isnull": False}).count(),
        "taken": lists.taken(status_list),
        "size": status_list.size,
        "pendingChanges": StatusChange.objects.filter(status_list=status_list, purpose=purpose).count(),
        "closed": status_list.closed_at is not None,
    }
