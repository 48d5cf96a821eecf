"""manage.py bootstrap: the first key and the first published status lists. Safe to run at every start."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from credentials import bootstrap
from credentials.models import IssuerKey, KeyState, StatusList


class Command(BaseCommand):
    help = "Make what issuing needs: a signing key and published status lists. Changes nothing where they exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        made = bootstrap.ensure()
        key = IssuerKey.objects.filter(state=KeyState.ACTIVE).values_list("kid", flat=True).get()
        lists = StatusList.objects.filter(version__gt=0).count()
        if options["json"]:
            self.stdout.write(json.dumps({"changed": made, "activeKey": key, "publishedLists": lists}))
        else:
            self.stdout.write(f"{'ready now' if made else 'already there'}: key {key}, {lists} published lists")
