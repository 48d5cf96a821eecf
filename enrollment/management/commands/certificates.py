"""manage.py certificates poll · list: look again at the certificates that enrolments stand on, now."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from audit import clock
from credentials.management.reporting import Reporting
from enrollment import certificates
from enrollment.models import ReliedCertificate
from enrollment.states import LIVE_ENROLLMENT_STATES


class Command(Reporting):
    help = "Device certificates of living enrolments: revoked or expired ones suspend, unrepaired ones end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for name, text in (
            ("poll", "ask the issuers and registers about all of them now; by itself this happens daily"),
            ("list", "those that do not hold, and until when they may be repaired"),
        ):
            acts.add_parser(name, help=text).add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "poll":
            self._poll(options)
        else:
            self._list(options)

    def _poll(self, options: dict[str, Any]) -> None:
        report = certificates.poll(clock.now(), everyone=True)
        self.say(
            options,
            asdict(report),
            f"{report.checked} certificates: {report.failed} do not hold any more, {report.repaired} hold again, "
            f"{report.unanswered} without an answer",
        )

    def _list(self, options: dict[str, Any]) -> None:
        rows = ReliedCertificate.objects.filter(replaced_at=None, enrollment__state__in=LIVE_ENROLLMENT_STATES)
        found = [
            {
                "enrollmentId": row.enrollment.enrollment_id,
                "derId": row.der_id,
                "source": row.source,
                "reason": row.failed_reason,
                "repairUntil": (row.failed_at + certificates.REPAIR).isoformat() if row.failed_at else None,
            }
            for row in rows.exclude(failed_reason="").select_related("enrollment").order_by("failed_at")
        ]
        lines = [f"{f['enrollmentId']}  {f['derId']}  {f['reason']}  until {f['repairUntil']}" for f in found]
        self.say(options, found, *(lines or ["All certificates hold."]))
