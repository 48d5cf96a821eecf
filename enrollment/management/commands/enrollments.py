"""manage.py enrollments end (--program P | --agency A) --reason CODE [--dry-run] [--wait]: many at once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from audit import clock
from credentials.management import progress
from credentials.management.changing import code
from credentials.management.reporting import Reporting, operator
from enrollment import bulk
from enrollment.bulk import Foreseen, Whose


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

    def handle(self, *args: Any, **options: Any) -> None:
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
