"""Proving who came back from a provider: mozilla-django-oidc with everything it leaves open closed.

Bare, the library takes a token without looking at `aud`, `iss` or `exp`, knows one provider, asks for keys at every
sign-in without a timeout and matches users by e-mail (dependencies.md). Here one backend serves all providers, takes
the provider as an argument, and finds users by issuer and `sub`. No userinfo is asked: the ID token says enough, and
what else a provider knows of a person we do not want.
"""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from identity import claims as reading
from identity import jwts
from identity.acr import reaches
from identity.models import User
from identity.oidc import tokens
from identity.oidc.endings import Ending, SignInFailed
from identity.oidc.requests import Asked, redirect_uri
from identity.oidc.tokens import Tokens
from identity.providers import Provider, ProviderUnavailable
from identity.sessions import SignedIn

UTILITY = "UTILITY"

SAME_MOMENT = timedelta(seconds=5)  # a provider's clock beside ours, where a sign-in has to be a new one


class Backend(OIDCAuthenticationBackend):  # type: ignore[misc]
    """One for all providers: Django keeps its dotted path in the session."""

    def __init__(self) -> None:
        """Take nothing from Django's settings: the library's are those of a single provider."""
        self.UserModel = User

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, *, provider: Provider, asked: Asked, code: str, now: datetime
    ) -> User:
        """Return the user whom the provider has proven; `user.signed_in` says how. Raises SignInFailed."""
        got = self.get_token(provider, asked, code, now)
        claims, expires_at = self.verify_token(got.id, provider=provider, asked=asked, access=got.access, now=now)
        signed_in = SignedIn(provider, claims, got, expires_at)
        self.verify_claims(signed_in)
        user = self.get_or_create_user(signed_in)
        if not user.is_active:
            raise SignInFailed(Ending.INACTIVE)
        user.signed_in = signed_in  # type: ignore[attr-defined]
        return user

    def get_token(self, provider: Provider, asked: Asked, code: str, now: datetime) -> Tokens:  # type: ignore[override]
        """Exchange the code, with the verifier that only this session has."""
        try:
            way_back = redirect_uri(provider)
            return tokens.redeem(provider, code=code, verifier=asked.verifier, redirect_uri=way_back, now=now)
        except tokens.Declined as refused:
            raise SignInFailed(Ending.NOT_BELIEVED, f"{provider.slug} refuses the code: {refused}") from refused
        except ProviderUnavailable as error:
            raise SignInFailed(Ending.UNAVAILABLE, str(error)) from error

    def verify_token(  # type: ignore[override]
        self, token: str, *, provider: Provider, asked: Asked, access: str, now: datetime
    ) -> tuple[dict[str, Any], datetime]:
        """Check an ID token as OpenID Connect Core 3.1.3.7 has it; return its allowed claims and its end."""
        try:
            read = jwts.read(token, now=now)
        except jwts.Rejected as error:
            raise SignInFailed(Ending.NOT_BELIEVED, str(error)) from error
        except ProviderUnavailable as error:
            raise SignInFailed(Ending.UNAVAILABLE, str(error)) from error
        for wrong, ending, reason in _wrongs(read, provider, asked, access, now):
            if wrong:
                raise SignInFailed(ending, reason)
        return dict(read.claims), read.expires_at

    def verify_claims(self, signed_in: SignedIn) -> bool:  # type: ignore[override]
        """A utility's provider has to name the utility, and an account there."""
        if signed_in.provider.kind != UTILITY:
            return True
        said, proven = signed_in.claims, signed_in.proven
        names_none = "utility_customer_ids" in said and not proven.utility_customer_ids and not proven.meter_ids
        if not proven.utility_id or names_none:
            raise SignInFailed(Ending.NO_ACCOUNT, f"{signed_in.provider.slug} names no account")
        return True

    def get_or_create_user(self, signed_in: SignedIn) -> User:  # type: ignore[override]
        """Find by issuer and `sub`, and by nothing else."""
        return User.objects.for_login(signed_in.provider.issuer, signed_in.sub)

    def get_user(self, user_id: int) -> User | None:
        """Asked with every request: somebody who was switched off is signed out by it."""
        return User.objects.filter(pk=user_id, is_active=True).first()


def _wrongs(
    read: jwts.Token, provider: Provider, asked: Asked, access: str, now: datetime
) -> list[tuple[bool, Ending, str]]:
    said = read.claims
    audience, party = reading.texts(said, "aud"), reading.text(said, "azp")
    nonce, strength = reading.text(said, "nonce"), str(said.get("acr", ""))
    at, told = reading.instant(said, "auth_time"), Ending.NOT_BELIEVED
    is_old = bool(asked.max_age) and (at is None or now - at > timedelta(seconds=asked.max_age) + jwts.LEEWAY)
    begun_at = datetime.fromtimestamp(asked.begun_at, now.tzinfo)
    is_an_old_one = asked.is_anew and (at is None or at < begun_at - SAME_MOMENT)
    return [
        (read.provider.issuer != provider.issuer, Ending.WRONG_PROVIDER, "the ID token is another issuer's"),
        (read.typ not in ("", "jwt"), told, "this is no ID token"),
        (provider.client_id not in audience, told, "the ID token is for another client"),
        (len(audience) > 1 and not party, told, "the ID token has many audiences and names no party"),
        (bool(party) and party != provider.client_id, told, "the ID token was made for another party"),
        (not hmac.compare_digest(nonce.encode(), asked.nonce.encode()), told, "the ID token answers another request"),
        (not _fits(said, access), told, "the access token is not the one the ID token speaks of"),
        (at is not None and at > now + jwts.LEEWAY, told, "the sign-in is in the future"),
        (is_old, Ending.TOO_WEAK, "the sign-in is too old"),
        (is_an_old_one, Ending.TOO_WEAK, "a new sign-in was asked for"),
        (not reaches(strength, asked.acr, provider.acr_levels), Ending.TOO_WEAK, "a stronger sign-in was asked for"),
        (not reaches(strength, provider.minimum_acr, provider.acr_levels), Ending.TOO_WEAK, "too weak for us"),
    ]


def _fits(said: Any, access: str) -> bool:
    """Compare `at_hash`, where there is one, under SHA-256 (the algorithms of that size); others are longer."""
    named = reading.text(said, "at_hash")
    if not named or not access:
        return True
    digests = [hashlib.new(name, access.encode()).digest() for name in ("sha256", "sha384", "sha512")]
    halves = [base64.urlsafe_b64encode(each[: len(each) // 2]).decode().rstrip("=") for each in digests]
    return named.rstrip("=") in halves
