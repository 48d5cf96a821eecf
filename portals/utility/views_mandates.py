"""“Who may act for you”: what a customer has allowed agencies, its very words, and taking it back.

Also by the address in a message of ours, without signing in: it shows and ends that one mandate, and leaks to no other
site and no cache. GET ends nothing: mail scanners and previews follow addresses.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audit import clock
from identity.models import Mandate
from portals import mandates
from portals.actors import person_of


@method_decorator(never_cache, name="dispatch")
class Mandates(View):
    """All of them, the living first."""

    def get(self, request: HttpRequest) -> HttpResponse:
        subject = person_of(request)
        found = mandates.of_person(subject, clock.now(), get_language() or "")
        context = {
            "living": [each for each in found if each.is_living],
            "past": [each for each in found if not each.is_living],
            "taken_back": request.GET.get("done") == "taken-back",
        }
        return render(request, "portal/mandates/list.html", context)


@method_decorator(never_cache, name="dispatch")
class TakeBack(View):
    """What ends with it, and the button."""

    def get(self, request: HttpRequest, mandate_id: str) -> HttpResponse:
        mandate = self.found(request, mandate_id)
        one = mandates.shown(mandate, clock.now(), get_language() or "")
        if not one.is_living:
            return HttpResponseRedirect(reverse("portal-mandates"))
        context = {"one": one, "back": reverse("portal-mandates")}
        return render(request, "portal/mandates/take_back.html", context)

    def post(self, request: HttpRequest, mandate_id: str) -> HttpResponse:
        mandates.take_back(self.found(request, mandate_id), now=clock.now())
        return HttpResponseRedirect(f"{reverse('portal-mandates')}?done=taken-back", status=303)

    def found(self, request: HttpRequest, mandate_id: str) -> Mandate:
        mandate = mandates.one_of(person_of(request), mandate_id)
        if mandate is None:
            raise Http404
        return mandate


# The address itself is what a forger would need. Django's check cannot hold here: with no referrer the browser says
# where the form came from as `null`, which is what a stranger's page says, too.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def by_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, POST takes back."""
    now = clock.now()
    mandate = mandates.by_token(token, now)
    context: dict[str, Any] = {"heard": "UNKNOWN"}
    if mandate is not None:
        if request.method == "POST":
            mandate = mandates.take_back(mandate, now=now)
        one = mandates.shown(mandate, now, get_language() or "")
        context = {"one": one, "heard": "OPEN" if one.is_living else "TAKEN_BACK"}
    response = render(request, "portal/mandates/by_link.html", context, status=200 if mandate is not None else 404)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
