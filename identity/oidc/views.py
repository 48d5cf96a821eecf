"""Signing in: choose the provider, go there, come back; and the provider's word that it is over."""

import logging
from typing import Any
from urllib.parse import urlencode

from django.contrib import auth
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from audit import clock, log
from audit.log import Action, Actor, ActorKind, Channel
from identity import agents, jwts, languages, links, people, sessions
from identity.limits import Budget, source_of
from identity.models import User
from identity.oidc import back_channel as logout_tokens
from identity.oidc import policy, requests
from identity.oidc.endings import STATUS, Ending, SignInFailed
from identity.oidc.requests import Asked, own_path
from identity.providers import AGENCY, STAFF, Provider, ProviderUnavailable, sign_ins, with_slug
from identity.sessions import SignedIn

logger = logging.getLogger(__name__)
# Each one begun writes a session. Generous: behind one address may stand a town (a mobile network's shared address).
FROM_ONE_ADDRESS = Budget("sign-in-from", per_second=2, burst=120)
RETRY_SECONDS = 60
UTILITY = "UTILITY"


class Door(View):
    """A page with a button that leads to a provider."""

    template_name = ""
    purpose = "SIGN_IN"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return never_cache(super().as_view(**initkwargs))

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page(request)

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        context = {"next": _next(request), **said}
        return to_providers(render(request, self.template_name, context, status=status))

    def leave(self, request: HttpRequest, provider: Provider, **asked: Any) -> HttpResponse:
        """Send the browser to the provider, or to the page that says why not."""
        now = clock.now()
        wanted = {"next": _next(request), "purpose": self.purpose, **asked}
        try:
            if not FROM_ONE_ADDRESS.take(now, source_of(request)):
                raise SignInFailed(Ending.TOO_MANY)
            return HttpResponseRedirect(requests.begin(request, provider, now=now, **wanted), status=303)
        except SignInFailed as failed:
            return ends(request, failed, wanted["next"])


class SignIn(Door):
    """Choose your utility (screens P3)."""

    template_name = "identity/sign_in.html"

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        return super().page(request, status=status, **of_kinds(sign_ins()), **said)

    def post(self, request: HttpRequest) -> HttpResponse:
        provider = with_slug(request.POST.get("provider", ""))
        if provider is None or provider not in sign_ins():
            return self.page(request, status=422, mistake=True)
        return self.leave(request, provider)


@never_cache
@require_GET
def callback(request: HttpRequest, slug: str) -> HttpResponse:
    """The way back from a provider. A GET that writes: the protocol has no other that brings our cookie along."""
    now, next_path = clock.now(), ""
    try:
        provider, asked = requests.take(request, slug, now=now)
        next_path = asked.next
        if provider.kind == STAFF:
            raise SignInFailed(Ending.WRONG_PROVIDER, "the console's people come back there")
        check_answer(request)
        code = request.GET.get("code", "")
        user = auth.authenticate(request, provider=provider, asked=asked, code=code, now=now)
        assert isinstance(user, User)
        _arrive(request, user, asked)
    except SignInFailed as failed:
        _journal(request, slug, failed)
        return ends(request, failed, next_path)
    home = agents.DESK if provider.kind == AGENCY else reverse("oidc-account")
    response = HttpResponseRedirect(next_path or home, status=303)
    languages.bring_along(request, response)
    return response


@never_cache
@require_GET
def ended(request: HttpRequest, ending: str) -> HttpResponse:
    """What happened, and what to do: the address holds no code and may be loaded again."""
    known = Ending(ending) if ending in set(Ending) else Ending.USED
    status = STATUS.get(known, 400)
    next_path = _next(request)
    said = {"ending": known.value, "next": next_path, "is_agent": next_path.startswith(agents.DESK)}
    response = render(request, "identity/ended.html", said, status=status)
    if status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


@csrf_exempt
@require_POST
def back_channel(request: HttpRequest) -> HttpResponse:
    """A provider ends a session. The token is the proof; no cookie comes with it."""
    now = clock.now()
    try:
        count = logout_tokens.receive(request.POST.get("logout_token", ""), now=now)
        logger.info("a provider ended sign-ins", extra={"count": count})
        response: HttpResponse = HttpResponse(status=200)
    except jwts.Rejected as error:
        response = JsonResponse({"error": "invalid_request", "error_description": str(error)}, status=400)
    except ProviderUnavailable:
        response = JsonResponse({"error": "temporarily_unavailable"}, status=503)
    response.headers["Cache-Control"] = "no-store"
    return response


def ends(request: HttpRequest, failed: SignInFailed, next_path: str) -> HttpResponse:
    """To the page of an ending."""
    logger.info("a sign-in ended", extra={"ending": failed.ending.value, "reason": str(failed)})
    query = f"?{urlencode({'next': next_path})}" if next_path else ""
    return HttpResponseRedirect(reverse("oidc-ended", args=[failed.ending.value]) + query, status=303)


def to_providers(response: HttpResponse) -> HttpResponse:
    """Let the page's forms lead to our providers."""
    response.headers["Content-Security-Policy"] = policy.to_providers()
    return response


def of_kinds(providers: list[Provider]) -> dict[str, list[Provider]]:
    """Utilities, and who knows people and no accounts, each by name."""
    named = sorted(providers, key=lambda each: each.name.casefold())
    return {
        "utilities": [each for each in named if each.kind == UTILITY],
        "nationals": [each for each in named if each.kind != UTILITY],
    }


def check_answer(request: HttpRequest) -> None:
    """Read the provider's own error (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6)."""
    error = request.GET.get("error", "")
    if error in ("access_denied", "login_required", "interaction_required", "consent_required"):
        raise SignInFailed(Ending.CANCELLED, error)
    if error in ("temporarily_unavailable", "server_error"):
        raise SignInFailed(Ending.UNAVAILABLE, error)
    if error == "unmet_authentication_requirements":
        raise SignInFailed(Ending.TOO_WEAK, error)
    if error or not request.GET.get("code"):
        raise SignInFailed(Ending.NOT_BELIEVED, "the provider answers with an error" if error else "no code came")


def _arrive(request: HttpRequest, user: User, asked: Asked) -> None:
    """Do what the sign-in was for, all of it or nothing. Raises SignInFailed."""
    now = clock.now()
    signed_in: SignedIn = user.signed_in  # type: ignore[attr-defined]
    try:
        if asked.purpose == "LINK":
            links.finish(request, asked.link, user, signed_in, now=now)
            return
        if asked.purpose == "STEP_UP" and not (
            request.user.is_authenticated and request.user.pk == user.pk == asked.user
        ):
            raise SignInFailed(Ending.OTHER_PERSON, "somebody else took the second step")
        with transaction.atomic():
            if signed_in.provider.kind == UTILITY:
                people.of_utility(user, signed_in.proven, now=now)
            sessions.begin(request, user, signed_in, now=now)
            if signed_in.provider.kind == AGENCY and asked.purpose == "SIGN_IN":
                agents.arrived(request, now)
    except links.LinkOver as error:
        raise SignInFailed(Ending.LINK_OVER, str(error)) from error
    except people.OtherPerson as error:
        raise SignInFailed(Ending.OTHER_PERSON, str(error)) from error


def _journal(request: HttpRequest, slug: str, failed: SignInFailed) -> None:
    if failed.ending in (Ending.CANCELLED, Ending.TOO_MANY):
        return
    provider = with_slug(slug)
    actor = Actor(ActorKind.PERSON, str(request.user.pk or "unknown"), Channel.PORTAL)
    told = {"door": "portal", "provider": provider.slug if provider else "unknown", "ending": failed.ending.value}
    log.record(Action.PROOF_REFUSED, actor=actor, at=clock.now(), details=told)


def _next(request: HttpRequest) -> str:
    return own_path(request.POST.get("next") or request.GET.get("next", ""))
