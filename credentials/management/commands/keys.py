"""manage.py keys list | announce | activate [KID] | retire KID | revoke KID (contract.md)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from audit import clock
from credentials import keys, publishing
from credentials.claims import instant
from credentials.management.reporting import Reporting, operator
from credentials.models import IssuerKey


class Command(Reporting):
    help = "Show and change our issuer keys. Announce one, wait a minute, activate it: the old one is retired."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        acts = parser.add_subparsers(dest="act", required=True)
        for name, words in (
            ("list", "all keys and their states"),
            ("announce", "make and publish a key that does not sign yet"),
            ("activate", "let an announced key sign; the active one is retired"),
            ("retire", "an announced key will never sign"),
            ("revoke", "withdraw a key: its signatures are worthless"),
        ):
            act = acts.add_parser(name, help=words)
            act.add_argument("--json", action="store_true", help="print one JSON document")
            if name in ("retire", "revoke"):
                act.add_argument("kid")
            if name == "activate":
                act.add_argument("kid", nargs="?", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["act"])(options)
        except keys.KeyRefused as refused:
            raise CommandError(str(refused)) from refused

    def list(self, options: dict[str, Any]) -> None:
        rows = IssuerKey.objects.defer("private")
        self.say(options, [_told(row) for row in rows], *(f"{row.kid}  {row.state}" for row in rows))

    def announce(self, options: dict[str, Any]) -> None:
        self._changed(options, keys.announce(now=clock.now(), actor=operator()))

    def activate(self, options: dict[str, Any]) -> None:
        key = keys.activate(options["kid"], now=clock.now(), actor=operator())
        publishing.publish_all(clock.now())
        self._changed(options, key)

    def retire(self, options: dict[str, Any]) -> None:
        self._changed(options, keys.retire(options["kid"], now=clock.now(), actor=operator()))

    def revoke(self, options: dict[str, Any]) -> None:
        key, losing = keys.revoke(options["kid"], now=clock.now(), actor=operator())
        publishing.publish_all(clock.now())
        document = {**_told(key), "credentialsLosingTheirSignature": losing}
        self.say(options, document, f"{key.kid}  {key.state}", f"{losing} living credentials lose their signature")

    def _changed(self, options: dict[str, Any], key: IssuerKey) -> None:
        self.say(options, _told(key), f"{key.kid}  {key.state}")


def _told(key: IssuerKey) -> dict[str, Any]:
    moments = {
        "announcedAt": key.announced_at,
        "activatedAt": key.activated_at,
        "retiredAt": key.retired_at,
        "revokedAt": key.revoked_at,
    }
    told = {name: instant(at) for name, at in moments.items() if at}
    return {"kid": key.kid, "multikey": key.multikey, "algorithm": key.algorithm, "state": key.state, **told}
