"""`manage.py audit verify | export | show`."""

import json
import os
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.checking import Report, SealRow
from audit.log import Event
from audit.models import Link
from audit.verification import export, keys_of, seal_row, verify_chain, verify_export


class Command(BaseCommand):
    help = "Checks the journal's chain and seals, exports it, shows what a log reference stands for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        verify = commands.add_parser("verify", help="walk the chain and the seals; exit code 1 if anything is wrong")
        verify.add_argument("--export", metavar="FILE", type=Path, help="walk this export instead of the database")
        verify.add_argument("--keys", metavar="FILE", type=Path, help="a kept copy of /journal/keys, believed instead")
        verify.add_argument(
            "--processes", type=int, default=_cores(), help="how many share a long walk (default: one for each core)"
        )
        verify.add_argument(
            "--seals", metavar="FILE", type=Path, help="a kept copy of /journal/seals that must still hold"
        )
        writing = commands.add_parser("export", help="write chain and seals as JSON lines")
        writing.add_argument("file", type=Path)
        show = commands.add_parser("show", help="show the event of a logReference")
        show.add_argument("reference")
        for each in (verify, writing, show):
            each.add_argument("--json", action="store_true")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        {"verify": self._verify, "export": self._export, "show": self._show}[command](options)

    def _verify(self, options: dict[str, Any]) -> None:
        keys = keys_of(_read(options["keys"])) if options["keys"] else None
        kept = _kept_seals(options["seals"])
        if options["export"]:
            try:
                report = verify_export(options["export"], kept_seals=kept, keys=keys)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise CommandError(f"{options['export']} cannot be read as an export: {error}") from error
        else:
            report = verify_chain(kept_seals=kept, keys=keys, processes=options["processes"])
        self.stdout.write(json.dumps(_as_json(report)) if options["json"] else _as_text(report))
        if not report.ok:
            raise SystemExit(1)

    def _export(self, options: dict[str, Any]) -> None:
        with options["file"].open("w", encoding="utf-8") as file:
            count = export(file)
        text = f"{count} links written to {options['file']}"
        self.stdout.write(json.dumps({"links": count}) if options["json"] else text)

    def _show(self, options: dict[str, Any]) -> None:
        try:
            public_id = uuid.UUID(options["reference"].removeprefix("log-"))
            event = Event.objects.get(public_id=public_id)
        except (ValueError, Event.DoesNotExist) as error:
            raise CommandError(f"{options['reference']} is not in the journal") from error
        link = Link.objects.filter(event=event).first()
        facts = {
            "reference": event.reference,
            "at": event.at.isoformat(),
            "action": event.action,
            "actor": {"kind": event.actor_kind, "id": event.actor_id, "onBehalfOf": event.on_behalf_of},
            "channel": event.channel,
            "subject": event.subject,
            "object": {"type": event.object_type, "id": event.object_id},
            "beforeDigest": event.before_digest,
            "afterDigest": event.after_digest,
            "details": event.details,
            "seq": link.seq if link else None,
            "hash": bytes(link.hash).hex() if link else None,
        }
        self.stdout.write(json.dumps(facts, indent=None if options["json"] else 2, ensure_ascii=False))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise CommandError(f"{path} should hold one JSON object")
    return value


def _kept_seals(path: Path | None) -> list[SealRow]:
    if path is None:
        return []
    try:
        return [seal_row(each) for each in _read(path)["seals"]]
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(f"{path} is no copy of /journal/seals") from error


def _as_json(report: Report) -> dict[str, Any]:
    first = report.first_broken
    findings = [
        {"kind": each.kind, "seq": each.seq or None, "reference": each.reference or None, "message": each.message}
        for each in report.findings
    ]
    return {
        "ok": report.ok,
        "links": report.links,
        "head": report.head,
        "seals": report.seals,
        "firstBroken": {"seq": first.seq, "reference": first.reference, "message": first.message} if first else None,
        "findings": findings,
    }


def _as_text(report: Report) -> str:
    walked = f"{report.links} links, {report.seals} seals"
    if report.ok:
        return f"The journal holds: {walked}."
    first = report.first_broken
    lines = [f"The journal does not hold ({walked})."]
    lines += [f"First broken link: {first.seq}: {first.message}"] if first else []
    return "\n".join([*lines, *(f"  {each.kind}: {each.message}" for each in report.findings)])
