"""A1: signing in as an agency's person, with both factors; choosing the agency; and what keeps somebody out."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from audit import clock
from identity import agents, sessions
from identity.agents import Ask, State
from identity.oidc.requests import own_path
from identity.oidc.views import Door, to_providers
from identity.providers import Provider, agents_sign_ins, is_agencys, provider_for
from portals import houses

FRESH_SECONDS = int(agents.FRESH.total_seconds())


class SignIn(Door):
    """Choose your agency's sign-in; who is there already goes on, or is told what is missing."""

    template_name = "agency/sign_in.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        found, is_fresh = agents.standing(request), bool(request.GET.get("fresh"))
        if is_fresh and not agents.has_fresh_factor(request, clock.now()):
            return self.page(request)
        if found.state is State.SEVERAL:
            return _see("agency-choose", request)
        if found.state is State.TOO_WEAK:
            return _see("agency-step-up", request)
        if found.state is State.NO_AGENCY:
            return self.page(request, status=403, template="agency/no_agency.html", provider=_provider(request))
        if found.state is State.MEMBER:
            return _onward(request)
        return self.page(request)

    def page(self, request: HttpRequest, *, status: int = 200, template: str = "", **said: Any) -> HttpResponse:
        given = request.POST if request.method == "POST" else request.GET
        next_path = own_path(given.get("next", ""))
        context = {
            "next": next_path,
            "fresh": bool(given.get("fresh")),
            "providers": sorted(agents_sign_ins(), key=lambda each: each.name.casefold()),
            "is_customer": request.user.is_authenticated and not agents.is_one(request),
            **said,
        }
        return to_providers(render(request, template or self.template_name, context, status=status))

    def post(self, request: HttpRequest) -> HttpResponse:
        ours = agents_sign_ins()
        wanted = request.POST.get("provider", "")
        provider = next((each for each in ours if each.slug == wanted), ours[0] if len(ours) == 1 else None)
        if provider is None:
            return self.page(request, status=422, mistake=True)
        next_path = own_path(request.POST.get("next", "")) or agents.DESK
        anew = {"is_anew": True, "max_age": FRESH_SECONDS} if request.POST.get("fresh") else {}
        return self.leave(request, provider, acr=provider.minimum_acr, next=next_path, **anew)


class StepUp(Door):
    """Both factors again, by the same person at the same provider: a sign-in made now, not one that is still open."""

    template_name, purpose = "agency/step_up.html", "STEP_UP"

    def get(self, request: HttpRequest) -> HttpResponse:
        if agents.standing(request).state in (State.MEMBER, State.TOO_WEAK):
            return self.page(request)
        return _see("agency-sign-in", request)

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        return super().page(request, status=status, provider=_provider(request), **said)

    def post(self, request: HttpRequest) -> HttpResponse:
        found, provider = agents.standing(request), _provider(request)
        if provider is None or found.member is None:
            return HttpResponseRedirect(reverse("agency-sign-in"), status=303)
        acr = found.member.agency.minimum_acr or provider.minimum_acr
        asked = {"user": request.user.pk, "acr": acr, "is_anew": True, "max_age": FRESH_SECONDS}
        return self.leave(request, provider, next=own_path(request.POST.get("next", "")) or agents.DESK, **asked)


class Choose(Door):
    """Which agency to work for now; also to change it."""

    template_name = "agency/choose.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if agents.standing(request).memberships:
            return self.page(request)
        return _see("agency-sign-in", request)

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        now, found = clock.now(), agents.standing(request)
        lines = [{"member": each, "stop": agents.blocked(each, now)} for each in found.memberships]
        return super().page(request, status=status, lines=lines, chosen=found.member, **said)

    def post(self, request: HttpRequest) -> HttpResponse:
        found, wanted = agents.standing(request), request.POST.get("agency", "")
        if not found.memberships:
            return HttpResponseRedirect(reverse("agency-sign-in"), status=303)
        member = next((each for each in found.memberships if str(each.pk) == wanted), None)
        if member is None:
            return self.page(request, status=422, mistake=True)
        agents.choose(request, member, clock.now())
        return _onward(request)


@never_cache
@require_GET
def blocked(request: HttpRequest) -> HttpResponse:
    """What is blocked, since when, and whom to ask."""
    found = agents.standing(request)
    block = agents.blocked(found.member, clock.now()) if found.member else None
    if found.member is None or block is None:
        return HttpResponseRedirect(agents.DESK, status=303)
    agency = found.member.agency
    said = {
        "member": found.member,
        "agency": agency,
        "stop": block,
        "utility": houses.house_of(agency.certified_by) if block.contact is Ask.UTILITY else None,
        "has_others": len(found.memberships) > 1,
    }
    return to_providers(render(request, "agency/blocked.html", said, status=403))


def _onward(request: HttpRequest) -> HttpResponse:
    given = request.POST.get("next") or request.GET.get("next", "")
    return HttpResponseRedirect(own_path(given) or agents.DESK, status=303)


def _see(name: str, request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse(name)}?{request.GET.urlencode()}", status=303)


def _provider(request: HttpRequest) -> Provider | None:
    row = next(iter(sessions.of(request)), None)
    return provider_for(row.issuer) if row is not None and is_agencys(row.issuer) else None
