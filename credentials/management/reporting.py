"""How the commands of this package speak: one sentence for people, or one JSON document with `--json`."""

import json
import os
import pwd
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.log import Actor, ActorKind, Channel


class Reporting(BaseCommand):
    """A command that answers in words or in JSON; a refusal is a CommandError, so the exit code says it too."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def say(self, options: dict[str, Any], document: Any, *lines: str) -> None:
        """Print the document, or the lines."""
        self.stdout.write(json.dumps(document, indent=1) if options["json"] else "\n".join(lines))


def operator() -> Actor:
    """Who runs the command: the user of this machine, for the journal."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Actor(ActorKind.STAFF, name, Channel.CONSOLE)
