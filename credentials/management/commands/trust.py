"""manage.py trust add | list | remove (contract.md, decision 37)."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from audit import clock
from credentials import issuers, trust
from credentials.asking import Deadline
from credentials.checks import sandbox_only
from credentials.claims import instant
from credentials.management.reporting import Reporting, operator
from credentials.models import TrustEntry
from credentials.reasons import Disbelieved


class Command(Reporting):
    help = "Whose credentials are believed, and for what."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        acts = parser.add_subparsers(dest="act", required=True)
        add = acts.add_parser("add", help="believe an issuer")
        add.add_argument("--issuer", required=True, metavar="DID")
        keys = add.add_mutually_exclusive_group(required=True)
        keys.add_argument("--jwks", metavar="FILE", help="its keys, pinned")
        keys.add_argument("--resolve", action="store_true", help="its keys are those of its DID document")
        add.add_argument("--type", dest="types", action="append", required=True, metavar="T", help="repeatable")
        add.add_argument("--utility", dest="utilities", action="append", default=[], metavar="U", help="empty = any")
        add.add_argument("--program", dest="programs", action="append", default=[], metavar="P", help="empty = any")
        add.add_argument("--der-type", dest="der_types", action="append", default=[], metavar="D", help="empty = any")
        add.add_argument("--source", default="manual", help="where this trust comes from (default: manual)")
        listing = acts.add_parser("list", help="the entries in force")
        remove = acts.add_parser("remove", help="stop believing an issuer")
        remove.add_argument("--issuer", required=True, metavar="DID")
        remove.add_argument("--type", dest="credential_type", default="", metavar="T", help="only for this type")
        for act in (add, listing, remove):
            act.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, options["act"])(options)

    def add(self, options: dict[str, Any]) -> None:
        issuer = options["issuer"]
        if settings.DEPLOYMENT == "production" and sandbox_only(issuer, options["source"]):
            raise CommandError("this issuer is one of a sandbox: production does not believe it")
        if options["resolve"]:
            self._resolve(issuer)
        try:
            entry = trust.add(
                issuer,
                types=options["types"],
                utilities=options["utilities"],
                programs=options["programs"],
                der_types=options["der_types"],
                jwks=_read(options["jwks"]) if options["jwks"] else None,
                source=options["source"],
                now=clock.now(),
                actor=operator(),
            )
        except trust.TrustRefused as refused:
            raise CommandError(str(refused)) from refused
        self.say(options, _told(entry), f"believed: {entry}")

    def list(self, options: dict[str, Any]) -> None:
        entries = TrustEntry.objects.in_force(clock.now())
        self.say(options, [_told(each) for each in entries], *(_line(each) for each in entries))

    def remove(self, options: dict[str, Any]) -> None:
        issuer = options["issuer"]
        ended = trust.remove(issuer, now=clock.now(), credential_type=options["credential_type"], actor=operator())
        if not ended:
            raise CommandError(f"there is no such entry for {issuer}")
        self.say(options, {"issuer": issuer, "removed": ended}, f"no longer believed: {issuer} ({ended} entries)")

    def _resolve(self, issuer: str) -> None:
        try:
            found = issuers.resolved(issuer, deadline=Deadline(), fresh=True)
        except Disbelieved as failed:
            raise CommandError(f"{issuer} cannot be resolved: {failed.detail}") from failed
        if not found:
            raise CommandError(f"the DID document of {issuer} holds no key that we can use")


def _read(file: str) -> Any:
    try:
        return json.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} is no JWKS file that can be read") from error


def _told(entry: TrustEntry) -> dict[str, Any]:
    return {
        "issuer": entry.issuer,
        "types": entry.types,
        "utilities": entry.utilities,
        "programs": entry.programs,
        "derTypes": entry.der_types,
        "pinnedKeys": entry.keys is not None,
        "source": entry.source,
        "addedAt": instant(entry.added_at),
    }


def _line(entry: TrustEntry) -> str:
    scopes = (("utilities", entry.utilities), ("programs", entry.programs), ("DER types", entry.der_types))
    limits = "; ".join(f"{name} {', '.join(values)}" for name, values in scopes if values)
    return f"{entry.issuer}  {', '.join(entry.types)}{'  only ' + limits if limits else ''}"
