"""manage.py enrollments end (--program P | --agency A) --reason CODE [--dry-run] [--wait]: many at once.

manage.py enrollments notices [--order ID]: what customers are told and were told.
manage.py enrollments release --order ID --bap ID --reason CODE: one that its customer has stopped ("this was not me").
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Q

from audit import clock
from credentials.management import progress
from credentials.management.changing import code
from credentials.management.reporting import Reporting, operator
from enrollment import bulk, freezing
from enrollment.bulk import Foreseen, Whose
from enrollment.models import CustomerNotice, EnrollmentCase

MOST = 500


class Command(Reporting):
    help = "End all living enrolments of a program, or all that an agency brought. Nothing else does that by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        end = acts.add_parser("end", help="end them now: claims freed, credentials and consents revoked, portals told")
        whose = end.add_mutually_exclusive_group(required=True)
        whose.add_argument("--program", default="", metavar="ID")
        whose.add_argument("--agency", default="", metavar="ID")
        end.add_argument("--reason", type=code, required=True, help="a code like PROGRAM_ENDED")
        end.add_argument(
            "--keep-outliving-consents", action="store_true", help="leave consents that outlive an enrolment"
        )
        end.add_argument("--dry-run", action="store_true", help="say what would be ended, and end nothing")
        progress.add_waiting(end)
        end.add_argument("--json", action="store_true", help="print one JSON document")
        release = acts.add_parser("release", help="let an order go on that its customer stopped: it is cleared up")
        release.add_argument("--order", required=True, metavar="ID", help="order id, enrolment id or order number")
        release.add_argument("--bap", default="", metavar="ID", help="whose order, where several have that id")
        release.add_argument("--reason", type=code, required=True, help="a code like CALLED_BACK")
        release.add_argument("--json", action="store_true", help="print one JSON document")
        written = acts.add_parser("notices", help="what customers were not told yet, or all that one was told")
        written.add_argument("--order", default="", metavar="ID", help="order id, enrolment id or order number")
        written.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] != "end":
            getattr(self, f"_{options['act']}")(options)
            return
        whose, keep = Whose(options["program"], options["agency"]), options["keep_outliving_consents"]
        now = clock.now()
        try:
            if options["dry_run"]:
                self._foretell(options, bulk.foresee(whose, now=now, keep_outliving=keep))
                return
            act = bulk.ask(whose, reason=options["reason"], actor=operator(), now=now, keep_outliving=keep)
        except bulk.NobodyThere as nobody:
            raise CommandError(str(nobody)) from nobody
        progress.report(self, options, act.pk)

    def _release(self, options: dict[str, Any]) -> None:
        wanted = options["order"]
        cases = EnrollmentCase.objects.filter(_called(wanted), frozen_at__isnull=False)
        if options["bap"]:
            cases = cases.filter(bap_id=options["bap"])
        found = list(cases[:2])
        if len(found) != 1:
            raise CommandError(f"{'No' if not found else 'More than one'} stopped order is called {wanted}.")
        freezing.release(found[0], options["reason"], actor=operator(), now=clock.now())
        self.say(options, {"order": found[0].order_id, "bap": found[0].bap_id}, f"{found[0]} goes on")

    def _notices(self, options: dict[str, Any]) -> None:
        rows = CustomerNotice.objects.select_related("case").order_by("pk")
        if options["order"]:
            rows = rows.filter(case__in=EnrollmentCase.objects.filter(_called(options["order"])))
        else:
            rows = rows.exclude(state="SENT")
        found = [_notice(row) for row in rows[:MOST]]
        lines = [
            f"{f['order']}  {f['template']}  "
            + (f"sent {f['sentAt']} ({f['locale']})" if f["sentAt"] else f"{f['state'].lower()}: {f['problem'] or '–'}")
            for f in found
        ]
        self.say(options, found, *(lines or ["Customers have been told everything."]))

    def _foretell(self, options: dict[str, Any], seen: Foreseen) -> None:
        lists = {f"{kind.lower()} {number}": count for (kind, number), count in seen.lists.items()}
        document = {
            "enrollments": seen.enrollments,
            "consents": seen.consents,
            "lists": lists,
            "portals": dict(seen.baps),
            "isStillOpen": seen.is_still_open,
        }
        lines = [f"{seen.enrollments} enrolments and {seen.consents} consents would end"]
        lines += [f"  list {name}: {count} credentials" for name, count in lists.items()]
        lines += [f"  told: {bap_id}, {count} orders" for bap_id, count in seen.baps.items()]
        if seen.is_still_open:
            lines.append("The program still takes applications: what is confirmed later is not among them.")
        self.say(options, document, *lines)


def _called(name: str) -> Q:
    """Order id, enrolment id or order number."""
    return Q(order_id=name) | Q(enrollment__enrollment_id=name) | Q(enrollment__order_number=name)


def _notice(row: CustomerNotice) -> dict[str, Any]:
    return {
        "noticeId": str(row.notice_id),
        "order": row.case.order_id,
        "bap": row.case.bap_id,
        "template": row.template,
        "state": row.state,
        "utilityId": row.utility_id,
        "createdAt": row.created_at.isoformat(),
        "sentAt": row.sent_at.isoformat() if row.sent_at else None,
        "sentBy": row.sent_by,
        "locale": row.locale,
        "attempts": row.attempts,
        "problem": row.last_problem,
    }
