"""`manage.py journal_key rotate`."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit import clock
from identity.journal_keys import rotate


class Command(BaseCommand):
    help = "The key that seals the journal's days. Old keys stay published: their seals are checked with them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("rotate", help="make a new key; the next seal is signed with it").add_argument(
            "--json", action="store_true"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        kid = rotate(clock.now()).kid
        self.stdout.write(json.dumps({"kid": kid}) if options["json"] else f"The next seal is signed with {kid}.")
