"""The identity providers this deployment believes, and their keys (`OIDC_PROVIDERS`)."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlencode

from django.conf import settings
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from outbound.client import OutboundError, get_cached, post

KEYS_CAP_SECONDS = 300.0
AGENCY = "AGENCY"  # the kind of provider that agencies' people sign in at
STAFF = "STAFF"  # that the console's people sign in at
AT_WORK = (AGENCY, STAFF)  # whoever signs in there is nobody's customer by it
FRESH_EVERY_SECONDS = 10.0  # an unknown kid asks again, but nobody can make us ask without end


class Client(Protocol):
    """A client of a provider whose ID tokens one participant may send us (decision 46)."""

    @property
    def client_id(self) -> str: ...
    @property
    def participant_id(self) -> str: ...


class Provider(Protocol):
    """What the deployment says about a provider; `issuer` has no slash at its end. Filled by `config.env`."""

    @property
    def issuer(self) -> str: ...
    @property
    def slug(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def scopes(self) -> Sequence[str]: ...
    @property
    def acr_levels(self) -> Sequence[str]: ...
    @property
    def utilities(self) -> Sequence[str]: ...
    @property
    def client_id(self) -> str: ...
    @property
    def client_secret(self) -> str: ...
    @property
    def audiences(self) -> Sequence[str]: ...
    @property
    def clients(self) -> Sequence[Client]: ...
    @property
    def minimum_acr(self) -> str: ...
    @property
    def jwks_url(self) -> str: ...


@dataclass(frozen=True)
class PublicKey:
    """A key object and the one algorithm it is meant for, empty where the provider does not say."""

    key: Any
    alg: str


class ProviderUnavailable(Exception):
    """The provider's documents cannot be had now; nothing is known about the token."""


def provider_for(issuer: str) -> Provider | None:
    """Return the provider of a token's `iss`; a slash at the end makes no other issuer."""
    return next((each for each in settings.OIDC_PROVIDERS if each.issuer == issuer.rstrip("/")), None)


def with_slug(slug: str) -> Provider | None:
    """Return the provider of an address of ours, if people can sign in there."""
    return next((each for each in all_sign_ins() if each.slug == slug), None)


def all_sign_ins() -> list[Provider]:
    """Return the providers that anybody can sign in at here: those that know us as a client."""
    return [each for each in settings.OIDC_PROVIDERS if each.slug and each.client_id]


def sign_ins() -> list[Provider]:
    """Return the providers that customers sign in at."""
    return [each for each in all_sign_ins() if each.kind not in AT_WORK]


def agents_sign_ins() -> list[Provider]:
    """Return the providers that agencies' people sign in at."""
    return [each for each in all_sign_ins() if each.kind == AGENCY]


def staff_sign_ins() -> list[Provider]:
    """Return the providers that the console's people sign in at."""
    return [each for each in all_sign_ins() if each.kind == STAFF]


def is_agencys(issuer: str) -> bool:
    """Say whether an issuer signs in an agency's people, who are nobody's customers by it."""
    provider = provider_for(issuer) if issuer else None
    return provider is not None and provider.kind == AGENCY


def is_at_work(issuer: str) -> bool:
    """Say whether an issuer signs in people for their work: an agency's, or the console's."""
    provider = provider_for(issuer) if issuer else None
    return provider is not None and provider.kind in AT_WORK


def endpoint(provider: Provider, name: str) -> str:
    """Return an address that the provider's configuration gives, "" for one it has not. Raises ProviderUnavailable."""
    address = _metadata(provider).get(name, "")
    is_safe = isinstance(address, str) and address.startswith(("https://", provider.issuer.partition("://")[0] + "://"))
    return address if is_safe else ""


def promises(provider: Provider, name: str) -> bool:
    """Say whether the provider's configuration has this switched on. Raises ProviderUnavailable."""
    return _metadata(provider).get(name) is True


def keys_of(provider: Provider, *, fresh: bool = False) -> Mapping[str, PublicKey]:
    """Return a provider's usable signing keys by kid ("" for one without). Raises ProviderUnavailable.

    `fresh` asks the provider again, at most every ten seconds: it may have rotated its keys.
    """
    url = provider.jwks_url or str(_metadata(provider).get("jwks_uri", ""))
    return _read_keys(_fetch(url, fresh=fresh and _may_ask_again(url)))


def introspect(provider: Provider, token: str) -> Mapping[str, Any]:
    """Ask the provider what an opaque access token is (RFC 7662). Raises ProviderUnavailable."""
    endpoint = str(_metadata(provider).get("introspection_endpoint", ""))
    if not endpoint:
        return {"active": False}
    pair = base64.b64encode(f"{provider.client_id}:{provider.client_secret}".encode()).decode()
    headers = {
        "Authorization": f"Basic {pair}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    try:
        response = post(endpoint, body=urlencode({"token": token}).encode(), headers=headers, max_bytes=65_536)
        answer = response.json() if response.status == 200 else None
    except (OutboundError, ValueError) as error:
        raise ProviderUnavailable(f"{provider.issuer} does not answer about a token") from error
    if not isinstance(answer, dict):
        raise ProviderUnavailable(f"{provider.issuer} does not answer about a token")
    return answer


def _metadata(provider: Provider) -> Mapping[str, Any]:
    document = _document(_fetch(f"{provider.issuer}/.well-known/openid-configuration"))
    if str(document.get("issuer", "")).rstrip("/") != provider.issuer:
        raise ProviderUnavailable(f"the configuration of {provider.issuer} names another issuer")
    return document


def _fetch(url: str, *, fresh: bool = False) -> bytes:
    try:
        response = get_cached(url, accept="application/json", max_age_cap=KEYS_CAP_SECONDS, fresh=fresh)
    except OutboundError as error:
        raise ProviderUnavailable(f"{url} cannot be fetched") from error
    if response.status != 200:
        raise ProviderUnavailable(f"{url} answers {response.status}")
    return response.body


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProviderUnavailable("the provider's document is no JSON object")
    return document


@lru_cache(maxsize=64)
def _read_keys(body: bytes) -> Mapping[str, PublicKey]:
    # Key objects are kept: reading a key costs more than checking a signature with it.
    keys: dict[str, PublicKey] = {}
    listed = _document(body).get("keys")
    for jwk in listed if isinstance(listed, list) else []:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or jwk.get("kty") == "oct" or "d" in jwk:
            continue
        try:
            keys[str(jwk.get("kid", ""))] = PublicKey(PyJWK(jwk).key, str(jwk.get("alg", "")))
        except (PyJWTError, ValueError, TypeError, KeyError):
            continue  # a key of a kind we do not know hides none of the others
    return keys


def _may_ask_again(url: str) -> bool:
    now = time.monotonic()
    if now - _asked_again.get(url, -FRESH_EVERY_SECONDS) < FRESH_EVERY_SECONDS:
        return False
    _asked_again[url] = now
    return True


_asked_again: dict[str, float] = {}  # one entry per provider of the settings
