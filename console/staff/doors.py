"""Staff's way in and out: the organisation's identity provider, the second step, and taking an invitation.

The address of each is below /admin/, where the console's own session is; a portal's is none here, and the other way
round. Source: issue of the console (1, 8), screens C14.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit import clock, log
from audit.log import Action, Actor, ActorKind, Channel
from console.rights import SENTENCES
from identity import console_sessions, sessions, staff, staffing
from identity.limits import source_of
from identity.models import User
from identity.oidc import policy, requests
from identity.oidc.account import goodbye
from identity.oidc.endings import STATUS, Ending, SignInFailed
from identity.oidc.requests import Asked, own_path
from identity.oidc.views import FROM_ONE_ADDRESS, RETRY_SECONDS, check_answer
from identity.providers import STAFF, Provider, provider_for, staff_sign_ins, with_slug
from identity.sessions import SignedIn
from identity.staff import State

HOME = "/admin/"
JOINING = "joining"  # in the session: the digest of an invitation's token
FRESH_SECONDS = 300


def addresses() -> list[URLPattern]:
    """What hangs below /admin/ without the guard of its other pages: each asks by itself."""
    return [
        path("sign-in", sign_in, name="login"),
        path("sign-in/back/<slug:slug>", come_back, name="sign-in-callback"),
        path("sign-in/ended/<slug:ending>", ended, name="sign-in-ended"),
        path("sign-in/again", step_up, name="step-up"),
        path("sign-out", sign_out, name="logout"),
        path("signed-out", signed_out, name="signed-out"),
        path("join", join, name="join"),
    ]


@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """Choose where to sign in; who is in goes on, and who cannot get in is told why."""
    found, wanted, ours = staff.standing(request), _next(request), staff_sign_ins()
    if request.method == "POST":
        slug = request.POST.get("provider", "")
        provider = next((each for each in ours if each.slug == slug), ours[0] if len(ours) == 1 else None)
        if provider is None:
            return _page(request, "sign_in", _("Sign in"), status=422, providers=ours, next=wanted, mistake=True)
        return _leave(request, provider, next=wanted or HOME, acr=provider.minimum_acr)
    if found.is_in:
        return HttpResponseRedirect(wanted or HOME, status=303)
    if found.state is State.TOO_WEAK:
        return _see("admin:step-up", wanted)
    if found.state in (State.STRANGER, State.SWITCHED_OFF):
        title = _("You do not work at this console") if found.state is State.STRANGER else _("You are switched off")
        return _page(request, "no_member", title, status=403, state=found.state.value)
    told = {"providers": ours, "next": wanted, "over": request.session.get(console_sessions.OVER, "")}
    minutes = int(settings.CONSOLE_IDLE.total_seconds() // 60)
    return _page(request, "sign_in", _("Sign in"), minutes=minutes, has_break_glass=settings.BREAK_GLASS, **told)


@never_cache
@require_GET
def come_back(request: HttpRequest, slug: str) -> HttpResponse:
    """The way back from the provider. A GET that writes: the protocol has no other that brings our cookie along."""
    now, wanted = clock.now(), ""
    try:
        provider, asked = requests.take(request, slug, now=now)
        wanted = asked.next
        if provider.kind != STAFF:
            raise SignInFailed(Ending.WRONG_PROVIDER, "staff do not sign in there")
        check_answer(request)
        code = request.GET.get("code", "")
        user = auth.authenticate(request, provider=provider, asked=asked, code=code, now=now)
        assert isinstance(user, User)
        _arrive(request, user, asked)
    except SignInFailed as failed:
        _journal(request, slug, failed)
        return _ends(failed, wanted)
    return HttpResponseRedirect(wanted or HOME, status=303)


@never_cache
@require_GET
def ended(request: HttpRequest, ending: str) -> HttpResponse:
    """What happened, and what to do: the address holds no code and may be loaded again."""
    known = Ending(ending) if ending in set(Ending) else Ending.USED
    status = STATUS.get(known, 400)
    response = _page(
        request, "sign_in_ended", _("You are not signed in"), status=status, ending=known.value, next=_next(request)
    )
    if status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


@never_cache
def step_up(request: HttpRequest) -> HttpResponse:
    """Both steps, by the same person at the same provider."""
    found, wanted = staff.standing(request), _next(request)
    provider = provider_for(request.user.issuer) if isinstance(request.user, User) else None
    if found.member is None or provider is None or found.state is State.SWITCHED_OFF:
        return _see("admin:login", wanted)
    if request.method == "POST":
        asked = {"user": request.user.pk, "purpose": "STEP_UP", "is_anew": True, "max_age": FRESH_SECONDS}
        return _leave(request, provider, next=wanted or HOME, acr=provider.minimum_acr, **asked)
    return _page(request, "step_up", _("Confirm that it is you"), provider=provider, next=wanted)


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out here, then at the provider, as far as it can."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect(reverse("admin:signed-out"), status=303)
    found = sessions.end(request, now=clock.now())
    address = goodbye(*found[0]) if found else ""
    return HttpResponseRedirect(address or reverse("admin:signed-out"), status=303)


@never_cache
@require_GET
def signed_out(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return HttpResponseRedirect(HOME, status=303)
    return _page(request, "signed_out", _("You are signed out"))


@never_cache
def join(request: HttpRequest) -> HttpResponse:
    """Take an invitation: sign in at the organisation's provider, then say yes. GET writes nothing but the session."""
    now, found, ours = clock.now(), staff.standing(request), staff_sign_ins()
    token = request.GET.get("t", "")
    if token:
        request.session[JOINING] = staffing.digest_of(token)
        return HttpResponseRedirect(reverse("admin:join"), status=303)  # the token stays in no address bar
    digest = request.session.get(JOINING, "")
    member = staffing.invited_by(digest, now)
    if member is None:
        return _page(request, "join_over", _("This invitation cannot be used"), status=410)
    is_signed_in = found.state is State.STRANGER
    roles = [(role.value, SENTENCES[role]) for role in staff.Role if role.value in member.roles]
    told: dict[str, Any] = {"member": member, "roles": roles, "providers": ours}
    told |= {"is_signed_in": is_signed_in, "state": found.state}
    if request.method == "POST" and is_signed_in and request.POST.get("join"):
        assert isinstance(request.user, User)
        try:
            staffing.join(digest, request.user, now=now)
        except staffing.NotPossible:
            return _page(request, "join_over", _("This invitation cannot be used"), status=410)
        request.session.pop(JOINING, None)
        return HttpResponseRedirect(HOME, status=303)
    if request.method == "POST":
        slug = request.POST.get("provider", "")
        provider = next((each for each in ours if each.slug == slug), ours[0] if len(ours) == 1 else None)
        if provider is not None:
            asked = {"is_anew": True, "max_age": FRESH_SECONDS}
            return _leave(request, provider, next=reverse("admin:join"), acr=provider.minimum_acr, **asked)
        return _page(request, "join", _("Join the console"), status=422, mistake=True, **told)
    return _page(request, "join", _("Join the console"), **told)


def _arrive(request: HttpRequest, user: User, asked: Asked) -> None:
    """Sign in, all of it or nothing. Raises SignInFailed."""
    now = clock.now()
    signed_in: SignedIn = user.signed_in  # type: ignore[attr-defined]
    is_same = request.user.is_authenticated and request.user.pk == user.pk == asked.user
    if asked.purpose == "STEP_UP" and not is_same:
        raise SignInFailed(Ending.OTHER_PERSON, "somebody else took the second step")
    joining = request.session.get(JOINING, "")
    sessions.begin(request, user, signed_in, now=now)
    if joining:
        request.session[JOINING] = joining  # a sign-in empties the session of whoever was here before
    staff.forget_standing(request)
    staff.arrived(request, now)


def _leave(request: HttpRequest, provider: Provider, **asked: Any) -> HttpResponse:
    """Send the browser to the provider, or to the page that says why not."""
    now = clock.now()
    try:
        if not FROM_ONE_ADDRESS.take(now, source_of(request)):
            raise SignInFailed(Ending.TOO_MANY)
        return HttpResponseRedirect(requests.begin(request, provider, now=now, **asked), status=303)
    except SignInFailed as failed:
        return _ends(failed, asked["next"])


def _ends(failed: SignInFailed, wanted: str) -> HttpResponse:
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    return HttpResponseRedirect(reverse("admin:sign-in-ended", args=[failed.ending.value]) + query, status=303)


def _see(name: str, wanted: str) -> HttpResponse:
    return HttpResponseRedirect(reverse(name) + (f"?{urlencode({'next': wanted})}" if wanted else ""), status=303)


def _page(request: HttpRequest, name: str, title: str, *, status: int = 200, **said: Any) -> HttpResponse:
    from django.contrib import admin

    context = {**admin.site.each_context(request), "title": title, **said}
    response = render(request, f"console/staff/{name}.html", context, status=status)
    response.headers["Content-Security-Policy"] = policy.to_providers(of_staff=True)
    return response


def _journal(request: HttpRequest, slug: str, failed: SignInFailed) -> None:
    if failed.ending in (Ending.CANCELLED, Ending.TOO_MANY):
        return
    provider = with_slug(slug)
    actor = Actor(ActorKind.STAFF, str(request.user.pk or "unknown"), Channel.CONSOLE)
    told = {"door": "console", "provider": provider.slug if provider else "unknown", "ending": failed.ending.value}
    log.record(Action.PROOF_REFUSED, actor=actor, at=clock.now(), details=told)


def _next(request: HttpRequest) -> str:
    wanted = own_path(request.POST.get("next") or request.GET.get("next", ""))
    return wanted if wanted.startswith(HOME) else ""
