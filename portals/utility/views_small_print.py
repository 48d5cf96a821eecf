"""The language of the pages, and the small print (screens P19). Nobody is asked who they are here."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from identity import languages, sessions
from identity.oidc.requests import own_path
from portals import houses
from portals.agency import devices, handovers

HOUR = 3600


@csrf_exempt  # asks nothing of a session: a stranger's page cannot send the session's cookie along (SameSite=Lax)
@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language for this browser and, of somebody who is signed in, for their next sign-in and letters."""
    response = HttpResponseRedirect(own_path(request.POST.get("next", "")) or reverse("portal-programs"), status=303)
    languages.choose(request, response, request.POST.get("language", ""))
    return response


@require_GET
def accessibility(request: HttpRequest) -> HttpResponse:
    return _page(request, "accessibility")


@require_GET
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept of whom, for how long, who receives it: in the deployment's own numbers."""
    grievances = [each for each in houses.houses() if each.grievance]
    return _page(
        request,
        "privacy",
        grievances=grievances,
        documents_days=settings.RETENTION_DOCUMENTS_DAYS,
        people_days=settings.RETENTION_PEOPLE_DAYS,
        owner=settings.ISSUER_NAME,
    )


@require_GET
def cookies(request: HttpRequest) -> HttpResponse:
    return _page(
        request,
        "cookies",
        session=settings.SESSION_COOKIE_NAME,
        csrf=settings.CSRF_COOKIE_NAME,
        language=settings.LANGUAGE_COOKIE_NAME,
        handed_over=handovers.COOKIE,
        device=devices.cookie_name(),
        hours=int(sessions.LASTS.total_seconds()) // HOUR,
    )


@never_cache
@require_GET
def idle(request: HttpRequest) -> HttpResponse:
    """Where the page's script leads when the sign-in is over: nothing of the page before stays on the screen."""
    return _page(request, "idle", next=own_path(request.GET.get("next", "")))


def _page(request: HttpRequest, name: str, **said: Any) -> HttpResponse:
    return render(request, f"portal/small_print/{name}.html", said)
