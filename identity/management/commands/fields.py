"""`manage.py fields rotate`."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import clock
from audit.log import SYSTEM, Action, record
from identity.encryption import DecryptionError, newest_key_id
from identity.rotation import BATCH, rotate_fields


class Command(BaseCommand):
    help = "Re-encrypts every encrypted column under the newest key of FIELD_KEYS; safe while the service runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        rotate = commands.add_parser("rotate", help="may be stopped and started again at any time")
        rotate.add_argument("--batch", type=int, default=BATCH, help="values per transaction")
        rotate.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch should be at least 1")
        kid = newest_key_id()
        try:
            columns = list(rotate_fields(batch=options["batch"], tell=None if options["json"] else self._tell))
        except DecryptionError as error:
            raise CommandError(f"{error}. What was rewritten before stays; mend this and start again.") from error
        rewritten, left = (sum(getattr(each, what) for each in columns) for what in ("rewritten", "remaining"))
        if rewritten:
            record(
                Action.FIELDS_ROTATED,
                actor=SYSTEM,
                at=clock.now(),
                object_type="field_key",
                object_id=kid,
                details={"rewritten": rewritten, "remaining": left},
            )
        if options["json"]:
            fields = [
                {"field": each.field, "rewritten": each.rewritten, "remaining": each.remaining} for each in columns
            ]
            self.stdout.write(json.dumps({"key": kid, "rewritten": rewritten, "remaining": left, "fields": fields}))
        else:
            self.stdout.write(f"{rewritten} values of {len(columns)} columns rewritten under key {kid}, {left} left.")
        if left:
            self.stderr.write("Rows that others held, or wrote with an older key, are left: start again.")
            raise SystemExit(1)

    def _tell(self, column: str, rewritten: int) -> None:
        if rewritten:
            self.stdout.write(f"  {column}: {rewritten}")
