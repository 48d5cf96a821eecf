"""The pages of somebody who is signed in: who you are here, a second step, a second account, and leaving."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit import clock
from identity import agents, links, people, sessions
from identity.models import Subject, SubjectUtilityLink
from identity.oidc.endings import Ending, SignInFailed
from identity.oidc.views import Door, ends, of_kinds, to_providers
from identity.providers import STAFF, Provider, ProviderUnavailable, endpoint, provider_for, sign_ins, with_slug

LONGEST_AGE = 86_400  # seconds
OTHERS = "oidc_sign_out_at"  # in the session: where one may still be signed in
AGENT = "signed_out_agent"  # in the session: whoever was here worked for an agency
SHOWN = 4  # last characters of an account number


class StepUp(Door):
    """A stronger sign-in at the same provider, by the same person."""

    template_name, purpose = "identity/step_up.html", "STEP_UP"

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        asked = _strength(request)
        first = next(iter(sessions.of(request)), None)
        provider = provider_for(first.issuer) if first else None
        return super().page(request, status=status, provider=provider, **asked, **said)

    def post(self, request: HttpRequest) -> HttpResponse:
        first = next(iter(sessions.of(request)), None)
        provider = provider_for(first.issuer) if first else None
        if first is None or provider is None:
            return HttpResponseRedirect(reverse("oidc-sign-in"), status=303)
        return self.leave(request, provider, user=first.user_id, **_strength(request))


class Link(Door):
    """Add the account of another utility to the person who is signed in (personas P5)."""

    template_name, purpose = "identity/link.html", "LINK"

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        return super().page(request, status=status, **of_kinds(_others(request)), **said)

    def post(self, request: HttpRequest) -> HttpResponse:
        provider = with_slug(request.POST.get("provider", ""))
        if provider is None or provider not in _others(request):
            return self.page(request, status=422, mistake=True)
        try:
            link = links.start(request, provider, now=clock.now())
        except links.LinkOver as error:
            return ends(request, SignInFailed(Ending.LINK_OVER, str(error)), "")
        # Who is signed in there already may be somebody else at the same computer: they have to say who they are.
        return self.leave(request, provider, link=link, prompt="login")


@never_cache
@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """Who you are here, and at which utilities."""
    rows = sessions.of(request)
    subject = people.living(request.user.subject)  # type: ignore[union-attr]
    said = {
        "name": subject.name if subject else "",
        "sign_ins": [{"row": row, "provider": provider_for(row.issuer)} for row in rows],
        "accounts": _accounts(subject),
        "can_link": bool(_others(request)),
        "is_known": subject is not None,
    }
    return to_providers(render(request, "identity/account.html", said))


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out here, then at the provider (RP-initiated logout), as far as it can."""
    provider, token = with_slug(request.POST.get("provider", "")), ""
    left = [each for each in request.session.get(OTHERS, []) if provider is None or each != provider.slug]
    if request.user.is_authenticated:
        is_agent = agents.is_one(request)
        found = sessions.end(request, now=clock.now())
        if is_agent:
            request.session[AGENT] = True
        (provider, token), left = (found[0], [each.slug for each, _ in found[1:]]) if found else ((None, ""), [])
    if left:
        request.session[OTHERS] = left
    else:
        request.session.pop(OTHERS, None)
    address = goodbye(provider, token) if provider else ""
    return HttpResponseRedirect(address or reverse("oidc-signed-out"), status=303)


@never_cache
@require_GET
def signed_out(request: HttpRequest) -> HttpResponse:
    """You are signed out; a second provider may still have you."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("oidc-account"), status=303)
    others = [with_slug(slug) for slug in request.session.get(OTHERS, [])]
    said = {"others": [each for each in others if each], "is_agent": request.session.get(AGENT, False)}
    return to_providers(render(request, "identity/signed_out.html", said))


def goodbye(provider: Provider, token: str) -> str:
    """Where a browser signs out at its provider and comes back from; "" where the provider has no such place."""
    try:
        address = endpoint(provider, "end_session_endpoint")
    except ProviderUnavailable:
        return ""  # signed out here in any case
    back = settings.PUBLIC_URL + reverse("oidc-signed-out")
    if provider.kind == STAFF:
        back = settings.CONSOLE_URL + reverse("admin:signed-out")
    said = {"client_id": provider.client_id, "post_logout_redirect_uri": back}
    return f"{address}?{urlencode({**said, **({'id_token_hint': token} if token else {})})}" if address else ""


def _others(request: HttpRequest) -> list[Provider]:
    """Providers the session has no sign-in at."""
    here = {row.issuer for row in sessions.of(request)}
    return [each for each in sign_ins() if each.issuer not in here]


def _accounts(subject: Subject | None) -> list[dict[str, str]]:
    """The person's accounts at utilities, each by the end of its number."""
    if subject is None:
        return []
    names = {utility: each.name for each in sign_ins() for utility in each.utilities}
    active = SubjectUtilityLink.objects.filter(subject=subject, status="ACTIVE", customer_index__isnull=False)
    return [
        {"utility": names.get(row.utility_id, row.utility_id), "ending": row.utility_customer_id[-SHOWN:]}
        for row in active.order_by("utility_id", "linked_at")
    ]


def _strength(request: HttpRequest) -> dict[str, Any]:
    given = {**request.GET.dict(), **request.POST.dict()}
    acr, age = given.get("acr") or "2", given.get("max_age", "")
    seconds = int(age) if age.isdecimal() and len(age) < 6 else 0
    return {"acr": acr if acr.isprintable() and len(acr) <= 64 else "", "max_age": min(seconds, LONGEST_AGE)}
