"""The provider's token endpoint: a code or a refresh token for tokens."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from identity import jwts
from identity.claims import ALLOWED
from identity.providers import Provider, ProviderUnavailable, endpoint
from outbound.client import OutboundError, post

LONGEST_ACCESS = 86_400  # seconds; whoever says more is not believed
DEFAULT_ACCESS = 300
# What providers write for themselves: of the token, the session and rights, not of the person.
_NOTES = {
    *("typ", "ver", "scp", "uti", "rh", "s_hash", "c_hash", "session_state", "cnf", "allowed-origins"),
    *("realm_access", "resource_access", "roles"),
}


class Declined(Exception):
    """The provider refuses the code or the refresh token; the text is its error code."""


@dataclass(frozen=True)
class Tokens:
    """What a provider gave. None of it is ever shown or logged."""

    access: str = field(repr=False)
    refresh: str = field(repr=False, default="")
    id: str = field(repr=False, default="")
    access_expires_at: datetime | None = None


def redeem(provider: Provider, *, code: str, verifier: str, redirect_uri: str, now: datetime) -> Tokens:
    """Exchange a code. Raises Declined and ProviderUnavailable. No transaction open."""
    form = {"code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    return _ask(provider, {"grant_type": "authorization_code", **form}, now)


def renew(provider: Provider, refresh_token: str, *, now: datetime) -> Tokens:
    """Exchange a refresh token; what the provider leaves out stays as it was. Raises Declined, ProviderUnavailable."""
    return _ask(provider, {"grant_type": "refresh_token", "refresh_token": refresh_token}, now)


def keepable(got: Tokens) -> dict[str, str]:
    """Return what may be kept of the tokens. One that tells more of a person than we take notice of is not.

    Decision 16: whatever stands in a token would be written with it, a national number, too. Without its ID token a
    sign-out asks at the provider; without an access token the person has to sign in again where one is needed.
    """
    given = {"access": got.access, "refresh": got.refresh, "id": got.id}
    return {name: "" if _tells_more(text) else text for name, text in given.items()}


def _tells_more(token: str) -> bool:
    """Whether a JWT has claims beyond the allow-list and what providers note for themselves; opaque ones have none."""
    if not jwts.is_jwt(token):
        return False
    try:
        said = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    except (ValueError, RecursionError):
        return True
    return not isinstance(said, dict) or not set(said) <= ALLOWED | _NOTES


def _ask(provider: Provider, form: dict[str, str], now: datetime) -> Tokens:
    address = endpoint(provider, "token_endpoint")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if provider.client_secret:
        pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"  # RFC 6749 2.3.1
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form["client_id"] = provider.client_id
    if not address:
        raise ProviderUnavailable(f"{provider.issuer} names no token endpoint")
    try:
        response = post(address, body=urlencode(form).encode(), headers=headers, max_bytes=65_536)
        answer = response.json()
    except (OutboundError, ValueError) as error:
        raise ProviderUnavailable(f"{provider.issuer} gives no tokens") from error
    if response.status in (400, 401, 403) and isinstance(answer, dict):
        raise Declined(str(answer.get("error", ""))[:64])
    if response.status != 200 or not isinstance(answer, dict):
        raise ProviderUnavailable(f"{provider.issuer} answers {response.status} when asked for tokens")
    return _tokens(answer, now)


def _tokens(answer: Mapping[str, Any], now: datetime) -> Tokens:
    def text(name: str) -> str:
        value = answer.get(name)
        return value if isinstance(value, str) else ""

    seconds = answer.get("expires_in")
    lasts = seconds if isinstance(seconds, int) and 0 < seconds <= LONGEST_ACCESS else DEFAULT_ACCESS
    return Tokens(text("access_token"), text("refresh_token"), text("id_token"), now + timedelta(seconds=lasts))
