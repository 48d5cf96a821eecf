"""manage.py figures rebuild · catch-up · show: the console's figures, counted anew or as far as the journal says."""

from argparse import ArgumentParser
from typing import Any

from audit import clock
from credentials.management.reporting import Reporting
from enrollment.figures import keeping
from enrollment.models import CaseFigure, FigureCursor


class Command(Reporting):
    help = "What the console shows as figures: kept by the workers, once a minute; here by hand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for name, text in (
            ("rebuild", "count everything anew from the rows there are; pages show the old figures until it is done"),
            ("catch-up", "count what the journal says since the last time, now"),
            ("show", "how far everything is counted"),
        ):
            acts.add_parser(name, help=text).add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "rebuild":
            counted = keeping.rebuild(clock.now())
            self.say(options, {"cases": counted}, f"{counted} applications counted anew")
        elif options["act"] == "catch-up":
            read = keeping.catch_up(clock.now())
            self.say(options, {"lines": read}, f"{read} lines of the journal read")
        else:
            self._show(options)

    def _show(self, options: dict[str, Any]) -> None:
        cursor = FigureCursor.objects.filter(name=keeping.CURSOR).first()
        told = {
            "place": cursor.seq if cursor else 0,
            "readAt": cursor.read_at.isoformat() if cursor and cursor.read_at else None,
            "rebuiltAt": cursor.rebuilt_at.isoformat() if cursor and cursor.rebuilt_at else None,
            "cases": CaseFigure.objects.count(),
        }
        words = f"counted up to place {told['place']} of the chain, read {told['readAt'] or 'never'}"
        self.say(options, told, f"{words}, {told['cases']} applications")
