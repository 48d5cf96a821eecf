"""Sending a browser to a provider, and knowing it again when it comes back.

What was asked lies in the browser's own session under a random `state`: an answer that comes into another session, or
a second time, is nobody's. Source: RFC 6749 10.12, RFC 7636 (S256 only), RFC 9207, RFC 9700 4.4 (mix-up).
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from identity.oidc.endings import Ending, SignInFailed
from identity.providers import STAFF, Provider, ProviderUnavailable, endpoint, promises, with_slug

KEY = "oidc_asked"  # in the session
MOST = 5  # sign-ins begun and not ended; a person with more tabs begins the oldest again
LASTS = timedelta(minutes=10)
LONGEST_NEXT = 1_000


@dataclass(frozen=True)
class Asked:
    """One sign-in that was begun. `purpose`: SIGN_IN, STEP_UP or LINK (then `link` is the record's id).

    `acr` is what was asked for, `max_age` the oldest sign-in we take (seconds, 0: any), `user` who was signed in.
    `is_anew`: only a sign-in made since then counts, not one that the provider's own session still has.
    """

    provider: str
    nonce: str
    verifier: str
    begun_at: float
    purpose: str = "SIGN_IN"
    next: str = ""
    acr: str = ""
    max_age: int = 0
    user: int = 0
    link: str = ""
    is_anew: bool = False


def own_path(wanted: str) -> str:
    """Return `wanted` if it is a path of ours, else "": nobody is sent from here to another host."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and len(wanted) <= LONGEST_NEXT
    is_plain = wanted.isprintable() and "\\" not in wanted
    return wanted if is_path and is_plain and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else ""


def redirect_uri(provider: Provider) -> str:
    """Return the provider's own way back to us: a code of another one does not fit there."""
    if provider.kind == STAFF:
        return str(settings.CONSOLE_URL + reverse("admin:sign-in-callback", args=[provider.slug]))
    return settings.PUBLIC_URL + reverse("oidc-callback", args=[provider.slug])


def begin(request: HttpRequest, provider: Provider, *, now: datetime, prompt: str = "", **asked: Any) -> str:
    """Remember what is asked and return the address to send the browser to. Raises SignInFailed (UNAVAILABLE)."""
    try:
        address = endpoint(provider, "authorization_endpoint")
    except ProviderUnavailable as error:
        raise SignInFailed(Ending.UNAVAILABLE, str(error)) from error
    if not address:
        raise SignInFailed(Ending.UNAVAILABLE, f"{provider.issuer} names no authorization endpoint")
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    begun = Asked(provider.slug, nonce, verifier, now.timestamp(), **asked)
    waiting = {**request.session.get(KEY, {}), state: asdict(begun)}
    request.session[KEY] = dict(sorted(waiting.items(), key=lambda item: item[1]["begun_at"])[-MOST:])
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri(provider),
        "scope": " ".join(dict.fromkeys(["openid", *provider.scopes])),
        "state": state,
        "nonce": nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        **({} if provider.kind == STAFF else {"resource": settings.PUBLIC_URL}),
        **({"acr_values": begun.acr} if begun.acr else {}),
        **({"max_age": str(begun.max_age)} if begun.max_age else {}),
        **({"prompt": prompt or "login"} if prompt or begun.is_anew else {}),
    }
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def take(request: HttpRequest, slug: str, *, now: datetime) -> tuple[Provider, Asked]:
    """Return what the answer in `request` was asked for; it can be taken once.

    Raises SignInFailed: USED for an answer nobody here waits for, WRONG_PROVIDER for one from another provider.
    """
    waiting = dict(request.session.get(KEY, {}))
    given = request.GET.get("state", "")
    known = next((state for state in waiting if hmac.compare_digest(state.encode(), given.encode())), "")
    if not known:
        raise SignInFailed(Ending.USED, "no sign-in waits for this answer here")
    asked = Asked(**waiting.pop(known))
    request.session[KEY] = waiting
    request.session.save()  # before anything slow: the same answer at the same time finds nothing
    provider = with_slug(slug)
    if provider is None or asked.provider != slug:
        raise SignInFailed(Ending.WRONG_PROVIDER, "the answer came back where another provider's is expected")
    _check_issuer(request, provider)
    if datetime.fromtimestamp(asked.begun_at, now.tzinfo) + LASTS < now:
        raise SignInFailed(Ending.EXPIRED, "the sign-in took longer than ten minutes")
    return provider, asked


def _check_issuer(request: HttpRequest, provider: Provider) -> None:
    named = request.GET.get("iss", "")
    if named and named.rstrip("/") != provider.issuer:
        raise SignInFailed(Ending.WRONG_PROVIDER, "the answer names another issuer")
    if named or "code" not in request.GET:
        return  # errors come without it from libraries that promise it (django-oauth-toolkit 3.4); they carry nothing
    try:
        is_promised = promises(provider, "authorization_response_iss_parameter_supported")
    except ProviderUnavailable as error:
        raise SignInFailed(Ending.UNAVAILABLE, str(error)) from error
    if is_promised:
        raise SignInFailed(Ending.WRONG_PROVIDER, "the answer does not name its issuer")
