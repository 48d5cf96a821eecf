"""The page behind the address in a notice: it asks, and only its button stops anything. Whoever has it may use it.

It names the program and nothing of a person. It leaks to no other site and no cache: no referrer, not stored.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audit import clock
from enrollment import freezing
from enrollment.freezing import Found, Heard
from enrollment.wording import language_for

_STATUS = {Heard.UNKNOWN: 404, Heard.EXPIRED: 410, Heard.USED: 410}


# The address itself is what a forger would need. Django's check cannot hold here: with no referrer the browser says
# where the form came from as `null`, which is what a stranger's page says, too.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks; POST stops, or only ends what the customer has allowed an agency."""
    now = clock.now()
    if request.method != "POST":
        found = freezing.look(token, now)
    elif request.POST.get("act") == "mandate":
        found = freezing.take_mandates_back(token, now)
    else:
        found = freezing.stop(token, now)
    response = render(request, "enrollment/not_me.html", _shown(request, found), status=_STATUS.get(found.heard, 200))
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _shown(request: HttpRequest, found: Found) -> dict[str, object]:
    locale = language_for(getattr(request, "LANGUAGE_CODE", ""))
    versions = [case.program_version for case in found.cases if case.program_version is not None]
    return {
        "heard": found.heard.name,
        "agencies": sorted({mandate.agency.name or mandate.agency.agency_id for mandate in found.mandates}),
        "programs": [v.presentation.get("texts", {}).get(locale, {}).get("name") or v.name for v in versions],
        "support": [v.support for v in versions[:1] if v.support.get("phone")],
    }
