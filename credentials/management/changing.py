"""manage.py status revoke | suspend | resume | keep | planned: for credentials that stand for themselves.

What belongs to an enrolment ends through it, because its meters, consents and portals are part of that: such an id is
refused here, and the refusal says how.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from audit import clock
from credentials import addresses, bulk, services
from credentials.claims import instant
from credentials.management import progress
from credentials.management.reporting import Reporting, operator
from credentials.models import BulkKind, IssuedCredential, Kind

ACTS = {
    "revoke": "revoke credentials for good, now or at a moment to come",
    "suspend": "suspend credentials until they are resumed",
    "resume": "end suspensions",
    "keep": "take planned revocations back",
    "planned": "revocations to come",
}


def add_arguments(acts: Any) -> None:
    """Add these acts to the command's own."""
    for name, words in ACTS.items():
        act: ArgumentParser = acts.add_parser(name, help=words)
        act.add_argument("--json", action="store_true", help="print one JSON document")
        if name == "planned":
            continue
        act.add_argument("ids", nargs="*", metavar="ID", help="id or address of a credential issued through the VC API")
        act.add_argument("--file", type=Path, help="a file with one id or address a line")
        if name in ("revoke", "suspend"):
            act.add_argument("--reason", type=code, required=True, help="a code like KEY_COMPROMISED")
        if name == "revoke":
            act.add_argument("--at", type=moment, help="an instant to come, with its zone")
        if name != "keep":
            progress.add_waiting(act)


def code(text: str) -> str:
    """Read a reason; it is kept in the journal, and a sentence could name a person."""
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,59}", text):
        raise ArgumentTypeError("a reason is a code like KEY_COMPROMISED: capitals, digits, underscores, at most 60")
    return text


def moment(text: str) -> datetime:
    """Read an instant with a zone, or a date (its first instant, UTC)."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} should be like 2027-12-31 or 2027-12-31T18:30:00+05:30") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def act(command: Reporting, options: dict[str, Any]) -> None:
    """Do what was asked for."""
    name, now = options["act"], clock.now()
    if name == "planned":
        _show_planned(command, options)
        return
    ids = _named(options)
    if name == "keep":
        _say_plans(command, options, services.withdraw_plan(ids, now=now, actor=operator()))
    elif options.get("at") and options["at"] > now:
        planned = services.plan_revocation(ids, at=options["at"], reason=options["reason"], now=now, actor=operator())
        _say_plans(command, options, planned)
    else:
        asked = bulk.ask(
            ids,
            kind=BulkKind[name.upper()],
            reason=options.get("reason") or "UNSPECIFIED",
            source="command",
            actor=operator(),
            now=now,
        )
        progress.report(command, options, asked.pk)


def _named(options: dict[str, Any]) -> list[UUID]:
    """The credentials that are meant; raises CommandError where one is not ours, or not its own."""
    texts = [*options["ids"], *_lines(options["file"])]
    if not texts:
        raise CommandError("name at least one credential, or a --file with one a line")
    found = {text: addresses.resolve_id(text) for text in texts}
    _refuse([text for text, pk in found.items() if pk is None], "is no id of a credential of ours")
    ids = [pk for pk in found.values() if pk is not None]
    kinds = dict(IssuedCredential.objects.filter(pk__in=ids).values_list("pk", "kind"))
    _refuse([text for text, pk in found.items() if pk not in kinds], "is no credential of ours")
    not_its_own = [text for text, pk in found.items() if pk is not None and kinds[pk] != Kind.GENERAL]
    _refuse(
        not_its_own, "belongs to an enrolment and ends with it: the portal's update, or `manage.py enrollments end`"
    )
    return list(dict.fromkeys(ids))


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        raise CommandError(f"{file} cannot be read: {problem}") from problem


def _refuse(texts: Sequence[str], why: str) -> None:
    if texts:
        more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
        raise CommandError(f"{texts[0]} {why}{more}; nothing was changed")


def _show_planned(command: Reporting, options: dict[str, Any]) -> None:
    ids = IssuedCredential.objects.filter(revoke_at__isnull=False).order_by("revoke_at", "pk")
    _say_plans(command, options, services.entries(list(ids.values_list("pk", flat=True))))


def _say_plans(command: Reporting, options: dict[str, Any], entries: Iterable[services.StatusEntry]) -> None:
    told = [(each, _state(each)) for each in entries]
    document = [
        {
            "url": each.url,
            "status": state.partition(" ")[0],
            "effectiveDate": instant(each.revoke_at) if each.revoke_at else None,
        }
        for each, state in told
    ]
    command.say(options, document, *(f"{each.url}  {state}" for each, state in told))


def _state(entry: services.StatusEntry) -> str:
    if entry.revoked:
        return "REVOKED"
    if entry.revoke_at:
        return f"PENDING {instant(entry.revoke_at)}"
    return "SUSPENDED" if entry.suspended else "GOOD"
