"""manage.py bulk list | show ID | work | of CREDENTIAL: acts on many credentials and how far they are."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from audit import clock
from credentials import addresses, bulk
from credentials.management import progress
from credentials.management.reporting import Reporting
from credentials.models import BulkAct, BulkKind


class Command(Reporting):
    help = "Show acts on many credentials, or work on them here."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listing = acts.add_parser("list", help="the last hundred, newest first")
        show = acts.add_parser("show", help="one of them")
        show.add_argument("id", type=UUID)
        show.add_argument("--manifest", action="store_true", help="its ids, one a line: their SHA-256 is the digest")
        progress.add_waiting(show)
        of = acts.add_parser("of", help="the acts that named a credential")
        of.add_argument("credential", help="its id or address")
        work = acts.add_parser("work", help="work off what is due, as a worker does")
        for each in (listing, show, of, work):
            each.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['act']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        self._say(options, BulkAct.objects.exclude(kind=BulkKind.TELL)[:100])

    def _show(self, options: dict[str, Any]) -> None:
        act = BulkAct.objects.filter(pk=options["id"]).first()
        if act is None:
            raise CommandError(f"there is no act {options['id']}")
        if options["manifest"]:
            self.stdout.writelines(f"{each}\n" for each in bulk.manifest_of(act))
        else:
            progress.report(self, options, act.pk)

    def _of(self, options: dict[str, Any]) -> None:
        credential_id = addresses.resolve_id(options["credential"])
        if credential_id is None:
            raise CommandError(f"{options['credential']} is no id of a credential of ours")
        self._say(options, bulk.acts_on(credential_id))

    def _work(self, options: dict[str, Any]) -> None:
        count = 0
        while done := bulk.work(clock.now()):
            count += done
        self.say(options, {"done": count}, f"{count} batches and acts done")

    def _say(self, options: dict[str, Any], acts: Any) -> None:
        found = [bulk.progress_of(act.pk) for act in acts]
        self.say(options, [progress.document(each) for each in found], *map(progress.line, found))
