"""manage.py utility list · notices · changes · poll · retry: what utilities were told, and what they have told us."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Count, Q

from audit import clock
from credentials.management.reporting import Reporting
from enrollment import feed, notices, told
from enrollment.models import UtilityChange, UtilityFeed, UtilityNotice
from utility_systems import news, registry

MOST = 500


class Command(Reporting):
    help = "Which enrolments the utilities are informed of, not yet, or not after a week; their feeds of changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for name, text in (
            ("list", "each utility: how many notices wait or are stuck, how far its feed is read"),
            ("notices", "what has not been acknowledged, oldest first"),
            ("changes", "what they have told us and what followed, newest first"),
            ("poll", "read their feeds now and do what follows; by itself this happens every minute"),
            ("retry", "try at once what waits or is stuck, notices to customers, too"),
        ):
            act = acts.add_parser(name, help=text)
            act.add_argument("--utility", default="", metavar="ID")
            act.add_argument("--json", action="store_true", help="print one JSON document")
            if name == "notices":
                act.add_argument("--enrollment", default="", metavar="ID", help="all of this enrolment, whatever state")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["utility"] and options["utility"] not in registry.utility_ids():
            raise CommandError(f"There is no utility {options['utility']} in UTILITIES.")
        getattr(self, f"_{options['act']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        found = [_standing(each) for each in registry.utility_ids() if options["utility"] in ("", each)]
        lines = [
            f"{f['utilityId']}  {'billing is told' if f['billing'] else 'billing is not told (no address)'}: "
            f"{f['acknowledged']} acknowledged, {f['waiting']} not yet, {f['stuck']} stuck; "
            + (f"feed read {f['readAt'] or 'never'}" if f["feed"] else "feed is not read (no address)")
            + (f" (now: {f['problem']}), " if f["problem"] else ", ")
            + f"{f['changes']} changes, {f['openChanges']} open"
            for f in found
        ]
        self.say(options, found, *lines)

    def _notices(self, options: dict[str, Any]) -> None:
        rows = UtilityNotice.objects.select_related("enrollment").filter(**_of(options)).order_by("pk")
        if options["enrollment"]:
            rows = rows.filter(enrollment__enrollment_id=options["enrollment"])
        else:
            rows = rows.exclude(state="ACKNOWLEDGED")
        found = [_notice(row) for row in rows[:MOST]]
        lines = [
            f"{f['enrollmentId']}  {f['utilityId']}  {f['kind']} {f['event']}  "
            + (f"informed {f['acknowledgedAt']}" if f["acknowledgedAt"] else f"{f['state'].lower()}: {f['problem']}")
            for f in found
        ]
        self.say(options, found, *(lines or ["The utilities are informed of everything."]))

    def _changes(self, options: dict[str, Any]) -> None:
        found = [_change(row) for row in UtilityChange.objects.filter(**_of(options)).order_by("-pk")[:MOST]]
        lines = [
            f"{f['at']}  {f['utilityId']}  {f['kind']}  {f['umid'] or f['derId']}  "
            + (f"{f['outcome']} ({f['enrollments']})" if f["outcome"] else "open")
            for f in found
        ]
        self.say(options, found, *(lines or ["No changes yet."]))

    def _poll(self, options: dict[str, Any]) -> None:
        now = clock.now()
        new = feed.poll(now, everyone=True)
        done = feed.handle_due(now)
        self.say(options, {"new": new, "handled": done}, f"{new} new changes, {done} handled")

    def _retry(self, options: dict[str, Any]) -> None:
        now = clock.now()
        count = told.try_again(now, utility_id=options["utility"])
        customers = notices.try_again(now, utility_id=options["utility"])
        told_of = f"{count} notices to utilities and {customers} to customers are tried at once"
        self.say(options, {"tried": count, "customers": customers}, told_of)


def _of(options: dict[str, Any]) -> dict[str, str]:
    return {"utility_id": options["utility"]} if options["utility"] else {}


def _standing(utility_id: str) -> dict[str, Any]:
    states = UtilityNotice.objects.filter(utility_id=utility_id).values_list("state").annotate(count=Count("pk"))
    counts = dict(states)
    read = UtilityFeed.objects.filter(utility_id=utility_id).first()
    changes = UtilityChange.objects.filter(utility_id=utility_id).aggregate(
        all=Count("pk"), open=Count("pk", filter=Q(handled_at=None))
    )
    return {
        "utilityId": utility_id,
        "billing": news.has_billing(utility_id),
        "waiting": counts.get("WAITING", 0),
        "stuck": counts.get("STUCK", 0),
        "acknowledged": counts.get("ACKNOWLEDGED", 0),
        "feed": news.has_feed(utility_id),
        "readAt": read.read_at.isoformat() if read and read.read_at else None,
        "problem": read.last_problem if read else "",
        "changes": changes["all"],
        "openChanges": changes["open"],
    }


def _notice(row: UtilityNotice) -> dict[str, Any]:
    return {
        "noticeId": str(row.notice_id),
        "enrollmentId": row.enrollment.enrollment_id,
        "utilityId": row.utility_id,
        "kind": row.kind,
        "event": row.event,
        "effectiveAt": row.effective_at.isoformat(),
        "meters": row.meters,
        "state": row.state,
        "attempts": row.attempts,
        "problem": row.last_problem,
        "acknowledgedAt": row.acknowledged_at.isoformat() if row.acknowledged_at else None,
        "acknowledgement": row.acknowledgement,
    }


def _change(row: UtilityChange) -> dict[str, Any]:
    return {
        "changeId": row.change_id,
        "utilityId": row.utility_id,
        "kind": row.kind,
        "umid": row.umid,
        "derId": row.der_id,
        "at": row.at.isoformat(),
        "cameBy": row.came_by,
        "outcome": row.outcome,
        "enrollments": row.enrollments,
    }
