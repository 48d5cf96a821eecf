"""manage.py status publish | show (contract.md) | revoke | suspend | resume | keep | planned."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from audit import clock
from credentials import list_watch, lists, publishing
from credentials.claims import instant
from credentials.list_watch import Standing
from credentials.management import changing
from credentials.management.reporting import Reporting
from credentials.models import IssuedCredential


class Command(Reporting):
    help = (
        "Publish the status lists, show how they stand, or change the status of credentials that stand for themselves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        acts = parser.add_subparsers(dest="act", required=True)
        for name, words in (("publish", "make missing lists and publish all of them now"), ("show", "how they stand")):
            act = acts.add_parser(name, help=words)
            act.add_argument("--json", action="store_true", help="print one JSON document")

        changing.add_arguments(acts)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] in changing.ACTS:
            changing.act(self, options)
        else:
            getattr(self, options["act"])(options)

    def publish(self, options: dict[str, Any]) -> None:
        now = clock.now()
        made = lists.create_missing(now=now)
        published = publishing.publish_all(now)
        self.say(options, {"published": published, "created": len(made)}, f"{published} lists published")

    def show(self, options: dict[str, Any]) -> None:
        now, marked = clock.now(), _marked()
        shown = [_told(each, marked, now) for each in list_watch.standings()]
        self.say(
            options,
            shown,
            *(
                f"{each['url']}  version {each['version']}, {each['set']} set, {each['taken']} of {each['size']} taken,"
                f" {each['pendingChanges']} changes waiting, valid until {each['validUntil']}{_alarm(each)}"
                for each in shown
            ),
        )


def _told(standing: Standing, marked: dict[int, dict[str, Any]], now: datetime) -> dict[str, Any]:
    return {
        "url": standing.url,
        "publication": standing.publication,
        "version": standing.version,
        "signedAt": instant(standing.signed_at) if standing.signed_at else None,
        "validUntil": instant(standing.valid_until) if standing.valid_until else None,
        "hasJson": standing.has_json,
        "set": marked.get(standing.list_id, {}).get(standing.publication, 0),
        "taken": standing.taken,
        "free": standing.free,
        "size": standing.size,
        "pendingChanges": standing.changes,
        "closed": standing.closed,
        "over": standing.is_over(now),
        "late": standing.is_late(now),
    }


def _marked() -> dict[int, dict[str, Any]]:
    """How many entries of each list each publication tells something of."""
    revoked, suspended = Q(revoked_at__isnull=False), Q(suspended_at__isnull=False)
    counted = IssuedCredential.objects.filter(revoked | suspended).values("status_list").order_by()
    rows = counted.annotate(
        revocation=Count("pk", filter=revoked), suspension=Count("pk", filter=suspended), token=Count("pk")
    )
    return {row["status_list"]: dict(row) for row in rows}


def _alarm(told: dict[str, Any]) -> str:
    if told["over"]:
        return "  OVER: verifiers refuse it"
    return "  LATE: is a worker running?" if told["late"] else ""
