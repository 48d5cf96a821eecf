"""What a handed-over browser may see: the handover's own pages until its end, and then the agent only anew.

The browser is known by a cookie of its own and by a mark in its session: losing one of them opens nothing. While the
handover lives, every other address leads back to it; the agents' sign-in is among them. Afterwards the customer's
session is over, and on a handed-over device the agents' portal opens only to a sign-in made since.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache

from audit import clock
from identity import agents, languages, people, sessions
from identity.access import View
from identity.models import Membership, Subject
from identity.oidc import by_meter, requests
from identity.oidc.account import goodbye
from identity.oidc.views import to_providers
from portals import reading
from portals.agency import handovers
from portals.models import AssistedCase, Handover

WITHIN = "handover-"  # the handover's own pages begin with this name
SIGNING_IN = ("oidc-callback", "oidc-meter", "oidc-code", "oidc-ended")
ALSO = ("portal-language", "consent-text", "healthz", "readyz")
AGENTS_DOORS = ("agency-sign-in", "agency-choose", "agency-step-up", "agency-blocked")
BEGAN = "handover_began"  # in the session that a handover began: what is signed in to there ends with it
PROVED = "handover_proved"  # in the session: which handover, and who proved to be the one it is about


class Held:
    """Middleware: keeps a handed-over browser to its handover."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if getattr(request, "handover_is_over", False):
            _forget(request, response)
        return response

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Return the way back to the handover, or None to go on to the view."""
        if handovers.COOKIE not in request.COOKIES and settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        row = handovers.of_browser(request)
        if row is None:
            return None
        now = clock.now()
        name = request.resolver_match.view_name if request.resolver_match else ""
        if handovers.is_living(row, now):
            if name == "oidc-meter":
                request.helped_by = _helper(row)  # type: ignore[attr-defined]
            return None if _may(name, kwargs, row) else see(reverse("handover-page", args=[row.pk]))
        return _after(request, row, name, now)


class HandoverMixin:
    """For a View of a handover: this browser's, living. Sets `row`, `case`, `now`, and `subject` once proved.

    `is_for_the_proven`: only for the customer who has signed in and is the one the case is about; whoever is not yet
    is sent to prove it.
    """

    is_for_the_proven = True
    row: Handover
    case: AssistedCase
    subject: Subject
    now: datetime

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return never_cache(super().as_view(**initkwargs))  # type: ignore[misc]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.now = clock.now()
        row = handovers.of_browser(request)
        if row is None or row.pk != kwargs["handover_id"]:
            raise Http404
        if not handovers.is_living(row, self.now):
            return see(reverse("handover-back", args=[row.pk]))
        self.row, self.case = row, row.case
        if self.is_for_the_proven:
            subject = proven_in(request, row)
            if subject is None:
                return see(reverse("handover-arrived", args=[row.pk]))
            self.subject = subject
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return answer


def proven_in(request: HttpRequest, row: Handover) -> Subject | None:
    """The customer who has proved to be the one the handover is about, in this session."""
    subject = people.living(request.user.subject) if request.user.is_authenticated else None
    is_theirs = subject is not None and request.session.get(PROVED) == f"{row.pk} {subject.pk}"
    return subject if is_theirs and row.proved_at is not None else None


def acting(case: AssistedCase, row: Handover) -> Membership:
    """Which agent the customer agrees to: whose case it is, else who asked."""
    return case.operator or row.operator


def begin(request: HttpRequest, row: Handover, *, language: str, now: datetime) -> HttpResponse:
    """End what this browser was signed in as, and hold it to the handover. Raises handovers.Over."""
    secret, before = handovers.bind(row, now=now), get_language() or ""
    address = _sign_out(request, now)
    request.session[handovers.MARK] = request.session[BEGAN] = str(row.pk)
    response = to_providers(see(address or reverse("handover-page", args=[row.pk])))
    response.set_cookie(
        handovers.COOKIE,
        f"{row.pk}.{secret}.{before}",
        max_age=int(handovers.LASTS[Handover.Way.LINK].total_seconds()),
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )
    if language:
        languages.set_for_browser(response, language.partition("-")[0])
    return response


def leave(request: HttpRequest, row: Handover) -> HttpResponse:
    """End the customer's session here and at their provider; the browser stays held to the handover's last page."""
    address = _sign_out(request, clock.now())
    request.session[handovers.MARK] = str(row.pk)
    return see(address or reverse("handover-page", args=[row.pk]))


def see(address: str) -> HttpResponse:
    return HttpResponseRedirect(address, status=303)


def _may(name: str, kwargs: dict[str, Any], row: Handover) -> bool:
    if name.startswith(WITHIN):
        return kwargs.get("handover_id") == row.pk
    return name in SIGNING_IN or name in ALSO


def _helper(row: Handover) -> by_meter.Helper:
    case, member = row.case, acting(row.case, row)
    program = reading.program(case.program.item, get_language() or "en").name
    return by_meter.Helper(case.agency.name, member.name or member.operator_id, program)


def _after(request: HttpRequest, row: Handover, name: str, now: datetime) -> HttpResponseBase | None:
    if row.ended_at is None:
        row = handovers.end(row, now=now, why="TIME")
    is_agent = agents.is_one(request)
    if request.user.is_authenticated and not is_agent and _signed_in_during(request, row):
        return leave(request, row)  # it took too long, or was taken back: the customer's session does not outlive it
    if request.session.get(BEGAN) == str(row.pk):
        for begun in (BEGAN, requests.KEY, by_meter.KEY):  # nobody comes back from a provider into what is over
            request.session.pop(begun, None)
    back = reverse("handover-back", args=[row.pk])
    is_within = name.startswith(WITHIN) and name != "handover-back" and _named_in(request) == row.pk
    if name == "oidc-signed-out" or is_within:
        return see(back)
    if row.way == Handover.Way.LINK:
        request.handover_is_over = True  # type: ignore[attr-defined]
        return None
    if not name.startswith("agency-") or name in AGENTS_DOORS:
        return None
    if is_agent and _is_since(request, row):
        request.handover_is_over = True  # type: ignore[attr-defined]
        return None
    wanted = request.get_full_path() if request.method in ("GET", "HEAD") else agents.DESK
    return see(agents.begin_fresh_address(wanted))


def _signed_in_during(request: HttpRequest, row: Handover) -> bool:
    """Whether the customer's session in this browser came of the handover, shown to be the right one or not."""
    session = request.session
    if session.get(BEGAN) == str(row.pk) or session.get(PROVED, "").startswith(str(row.pk)):
        return True
    ended_at = row.ended_at or row.ends_at
    return any(row.opened_at <= each.began_at <= ended_at for each in sessions.of(request))


def _named_in(request: HttpRequest) -> UUID | None:
    """The handover that the address names."""
    found = request.resolver_match.kwargs.get("handover_id") if request.resolver_match else None
    return found if isinstance(found, UUID) else None


def _is_since(request: HttpRequest, row: Handover) -> bool:
    """Whether the agent's own sign-in was made after the device was handed over."""
    sign_in = next(iter(sessions.of(request)), None)
    return sign_in is not None and sign_in.auth_time is not None and sign_in.auth_time > row.opened_at


def _sign_out(request: HttpRequest, now: datetime) -> str:
    """End the browser's session, whatever it holds; return where it signs out at the provider."""
    found = sessions.end(request, now=now)
    return next((address for address in (goodbye(provider, token) for provider, token in found) if address), "")


def _forget(request: HttpRequest, response: HttpResponse) -> None:
    language = request.COOKIES.get(handovers.COOKIE, "").split(".")[2:]
    request.session.pop(handovers.MARK, None)
    request.session.pop(PROVED, None)
    response.delete_cookie(handovers.COOKIE, samesite="Lax")
    if language:
        languages.set_for_browser(response, language[0])
