"""`manage.py sandbox load|reset`: the personas' programs, issuers, agency and network."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit import clock
from sandbox import loading, resetting


class Command(BaseCommand):
    help = "load: fill this deployment with the sandbox's data. reset: end what the personas have begun, and load."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["load", "reset"])
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        said = resetting.reset(now=now) if options["act"] == "reset" else []
        said += loading.load(now=now)
        self.stdout.write(json.dumps({"loaded": said}) if options["json"] else "\n".join(said))
