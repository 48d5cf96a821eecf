"""What a person asks about their data: a copy of everything, or to have it erased; and what they are answered."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from audit import clock
from identity import people_requests
from identity.models import PersonRequest, User
from identity.sessions import actor_of
from portals.actors import person_of
from portals.utility.views_my_data import zone_of_person

_KINDS = {"copy": PersonRequest.Kind.EXPORT, "erasure": PersonRequest.Kind.ERASURE}


@method_decorator(never_cache, name="dispatch")
class AskAboutMyData(View):
    """The question with what follows from it; POST asks."""

    def get(self, request: HttpRequest, what: str) -> HttpResponse:
        return self._page(request, what)

    def post(self, request: HttpRequest, what: str) -> HttpResponse:
        subject = person_of(request)
        assert isinstance(request.user, User)
        if subject is None:
            return self._page(request, what)
        try:
            row = people_requests.ask(subject, _kind(what), actor=actor_of(request.user), now=clock.now())
        except people_requests.AskedAlready as asked:
            row = asked.request
        return HttpResponseRedirect(reverse("portal-my-data-request", args=[row.public_id]), status=303)

    def _page(self, request: HttpRequest, what: str) -> HttpResponse:
        subject, kind = person_of(request), _kind(what)
        context: dict[str, Any] = {"kind": kind, "is_known": subject is not None}
        if subject is not None and kind == PersonRequest.Kind.ERASURE:
            context["blocks"] = people_requests.blocks_of(subject, clock.now())
        return render(request, "portal/my_data/ask.html", context)


@method_decorator(never_cache, name="dispatch")
class AboutMyData(View):
    """One request: how it stands and what was answered. POST fetches the copy, or takes the request back."""

    def get(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        return self._page(request, _mine(request, public_id))

    def post(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        row = _mine(request, public_id)
        assert isinstance(request.user, User)
        actor, now = actor_of(request.user), clock.now()
        try:
            if "copy" in request.POST:
                return as_download(row, people_requests.fetch(row, actor=actor, now=now))
            people_requests.withdraw(row.public_id, by=people_requests.BY_PERSON, actor=actor, now=now)
        except people_requests.Closed:
            return self._page(request, _mine(request, public_id), status=409, is_late=True)
        return HttpResponseRedirect(reverse("portal-my-data-request", args=[row.public_id]), status=303)

    def _page(self, request: HttpRequest, row: PersonRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        now = clock.now()
        context = {
            "row": row,
            "answer": row.answer or {},
            "can_fetch": row.file_sha256 and row.file_until and row.file_until > now,
            "blocks": people_requests.blocks_of(row.subject, now)
            if row.state == "OPEN" and row.kind == "ERASURE"
            else [],
            "zone": zone_of_person(row.subject),
            **said,
        }
        return render(request, "portal/my_data/request.html", context, status=status)


def as_download(row: PersonRequest, content: bytes) -> HttpResponse:
    """The copy as a file."""
    answer = HttpResponse(content, content_type="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="my-data-{row.public_id}.zip"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _kind(what: str) -> str:
    if what not in _KINDS:
        raise Http404
    return _KINDS[what]


def _mine(request: HttpRequest, public_id: UUID) -> PersonRequest:
    """Nobody else's request can be told from one that is not there."""
    found = people_requests.of_person(person_of(request)).select_related("subject").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found
