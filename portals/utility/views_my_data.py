"""“Who used my data”: a person's lines of the journal in plain verbs, and a copy of all that the portal keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from audit import clock
from audit.log import Action, ActorKind, record
from audit.readers import ReadLine, lines_of_subject
from beckn import identities
from identity import people_requests
from identity.models import Agency, Subject, User
from identity.sessions import actor_of
from portals import csv, drafts, houses
from portals.actors import person_of
from portals.models import Application

#: So many lines a file holds, the newest.
MOST_EXPORTED = 5000
MOST_REQUESTS = 20


@method_decorator(never_cache, name="dispatch")
class MyData(View):
    """The lines, fifty a page, the newest first; POST gives a file and is itself a line."""

    def get(self, request: HttpRequest) -> HttpResponse:
        older = request.GET.get("older", "")
        cursor = int(older) if older.isdecimal() and len(older) <= 18 else None
        subject = person_of(request)
        found = lines_of_subject(_known_as(subject), older=cursor) if subject else None
        context = {
            "lines": _named(found.lines) if found else [],
            "older": found.older if found else None,
            "is_first": cursor is None,
            "zone": zone_of_person(subject),
            "requests": people_requests.of_person(subject)[:MOST_REQUESTS],
        }
        return render(request, "portal/my_data.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        subject = person_of(request)
        assert isinstance(request.user, User)
        kind = "json" if "json" in request.POST else "csv"
        record(
            Action.EXPORT,
            actor=actor_of(request.user),
            at=clock.now(),
            subject=str(subject.pk) if subject else "",
            object_type="subject",
            object_id=str(subject.pk) if subject else "",
            details={"what": "my-data", "format": kind},
        )
        return _copy(subject) if kind == "json" else _journal(subject)


def _named(lines: Sequence[ReadLine]) -> list[tuple[ReadLine, str]]:
    """The lines with who acted; an agency by its name."""
    asked = {line.actor_id for line in lines if line.actor_kind is ActorKind.AGENCY}
    names = dict(Agency.objects.filter(agency_id__in=asked).values_list("agency_id", "name")) if asked else {}
    return [(line, names.get(who(line)) or who(line)) for line in lines]


def who(line: ReadLine) -> str:
    """Who acted, as a code that the template has words for, or the id of an organisation."""
    if line.actor_kind is ActorKind.PARTICIPANT:
        return "THIS_PORTAL" if identities.is_portal(line.actor_id) else line.actor_id
    return line.actor_id if line.actor_kind is ActorKind.AGENCY else str(line.actor_kind)


def zone_of_person(subject: Subject | None) -> str:
    """The zone of the person's newest journey, else of a utility that knows them, UTC without any (decision 55)."""
    journey = drafts.of_person(subject).first()
    link = subject.utility_links.order_by("-linked_at").first() if journey is None and subject is not None else None
    newest = journey or link
    return houses.house_of(newest.utility_id if newest else "").time_zone


def _known_as(subject: Subject) -> list[Any]:
    """The person's own record, and those that were merged into it."""
    return [subject.pk, *subject.merged_from.values_list("pk", flat=True)]


def _journal(subject: Subject | None) -> HttpResponse:
    header = ("when (UTC)", "what", "who", "id", "through", "about", "reference")
    lines = lines_of_subject(_known_as(subject), most=MOST_EXPORTED).lines if subject else ()
    return csv.response("who-used-my-data.csv", header, _rows(lines))


def _rows(lines: tuple[ReadLine, ...]) -> Iterator[tuple[Any, ...]]:
    for line in lines:
        about = f"{line.object_type} {line.object_id}".strip()
        at = line.at.strftime("%Y-%m-%d %H:%M:%S")
        yield at, line.action, line.actor_kind, _shown_id(line), line.channel, about, line.reference


def _shown_id(line: ReadLine) -> str:
    """An organisation is named; a member of staff is not."""
    return line.actor_id if line.actor_kind in (ActorKind.PARTICIPANT, ActorKind.AGENCY) else ""


def _copy(subject: Subject | None) -> HttpResponse:
    rows = drafts.of_person(subject).prefetch_related("receipts", "credentials")
    text = json.dumps({"applications": [_of_row(row) for row in rows]}, indent=2, ensure_ascii=False)
    answer = HttpResponse(text, content_type="application/json; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return answer


def _of_row(row: Application) -> dict[str, Any]:
    return {
        "program": row.program.program_id,
        "utility": row.utility_id,
        "state": row.state,
        "orderNumber": row.order_number,
        "enrollmentId": row.enrollment_id,
        "startedAt": row.started_at.isoformat(),
        "updatedAt": row.updated_at.isoformat(),
        "answers": row.answers,
        "consentReceipts": [each.record for each in row.receipts.all()],
        "credentials": [
            {"id": each.credential_id, "kind": each.kind, "data": each.data, "issuedAt": each.issued_at.isoformat()}
            for each in row.credentials.all()
        ],
    }
