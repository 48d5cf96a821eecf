"""`manage.py catalogue refresh`: have the portal ask every provider for its programs now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit import clock
from portals import catalogue


class Command(BaseCommand):
    help = "The portal's copy of the programs: refresh asks every provider at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=["refresh"])

    def handle(self, *args: Any, **options: Any) -> None:
        count = catalogue.refresh(clock.now())
        self.stdout.write(f"asked {count} providers; their answers are taken as they come")
