"""manage.py vc_cli issue|verify --input F --key F --feature credential_jose|presentation_jose --output F

What the W3C VC-JOSE-COSE test suite runs (spec credentials.md 5): signatures with a key from a file, no date policy.
"""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credentials.vc_api import jose

_ACTS: dict[str, Callable[[str, str, str], jose.Outcome]] = {"issue": jose.issue, "verify": jose.verify}


class Command(BaseCommand):
    help = "Sign or verify one credential or presentation as JOSE with a key from a file."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=list(_ACTS))
        parser.add_argument("--input", required=True, help="unsigned JSON (issue) or compact JWT (verify)")
        parser.add_argument(
            "--key", required=True, help="verification method with publicKeyJwk and secretKeyJwk, or JWK"
        )
        parser.add_argument("--feature", required=True, help=" or ".join(jose.Feature))
        parser.add_argument("--output", required=True, help="where {result, data} goes")

    def handle(self, *args: Any, **options: Any) -> None:
        outcome = _ACTS[options["act"]](_text(options["input"]), _text(options["key"]), options["feature"])
        Path(options["output"]).write_text(json.dumps(outcome.as_json()) + "\n", encoding="utf-8")
        self.stdout.write(str(outcome.result))


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from error
