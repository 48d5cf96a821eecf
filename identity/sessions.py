"""What a browser's session stands on: the sign-ins at providers, their tokens, their strength and their end.

A row per sign-in; Django's session holds only who is signed in. The session gets a new id with every sign-in, and ends
with its first one: by the person, by the provider (back-channel), or by age.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from audit.log import Action, Actor, ActorKind, Channel, record
from identity import claims as reading
from identity import console_sessions
from identity.acr import reaches
from identity.jwts import Token
from identity.models import AccountLink, LinkReference, LogoutToken, OidcSession, User
from identity.oidc.tokens import Declined, Tokens, keepable, renew
from identity.providers import AGENCY, STAFF, Provider, ProviderUnavailable, provider_for
from identity.tokens import Proven, proven_of

BACKEND = "identity.oidc.backend.Backend"
LASTS = timedelta(hours=8)
RENEW_BEFORE = timedelta(seconds=60)
RENEWAL_LEASE = timedelta(seconds=20)
KEPT = timedelta(days=30)


@dataclass(frozen=True)
class SignedIn:
    """A sign-in that a provider has proven, with what it gave us for it."""

    provider: Provider
    claims: dict[str, Any] = field(repr=False)
    tokens: Tokens = field(repr=False)
    expires_at: datetime

    @property
    def sub(self) -> str:
        return reading.text(self.claims, "sub")

    @property
    def acr(self) -> str:
        return str(self.claims.get("acr", ""))

    @property
    def proven(self) -> Proven:
        return proven_of(Token(self.provider, "", self.claims, self.expires_at))


class SignInNeeded(Exception):
    """There is no token any more: the person has to sign in at this utility again."""


def begin(request: HttpRequest, user: User, signed_in: SignedIn, *, now: datetime) -> None:
    """Sign the user in. The session's id changes; what somebody else had begun in this browser ends."""
    before = request.session.session_key or ""
    is_same = request.user.is_authenticated and request.user.pk == user.pk
    with transaction.atomic():
        living = OidcSession.objects.select_for_update().filter(session_key=before, ended_at=None) if before else None
        if living is not None:
            _end(living.filter(issuer=signed_in.provider.issuer) if is_same else living, by="REPLACED", now=now)
        login(request, user, backend=BACKEND)
        request.session.pop("oidc_asked", None)
        if signed_in.provider.kind == STAFF:
            console_sessions.begin(request, now, sign_in=_sign_in(signed_in))
        else:
            request.session.set_expiry(int(LASTS.total_seconds()))
            request.session["ends_at"] = int((now + LASTS).timestamp())  # for the page that warns before
        _change_key(request, before if is_same else "")
        _keep(request, user, signed_in, now, is_primary=True)
        actor = actor_of(user) if signed_in.provider.kind != STAFF else staff_actor(user)
        record(Action.LOGIN, actor=actor, at=now, details=_told(signed_in))


def add(request: HttpRequest, signed_in: SignedIn, *, now: datetime) -> None:
    """Keep a second sign-in of whoever is signed in, after the two were linked. The session's id changes."""
    before = request.session.session_key or ""
    with transaction.atomic():
        _end(_living(request).filter(issuer=signed_in.provider.issuer), by="REPLACED", now=now)
        _change_key(request, before)
        _keep(request, request.user, signed_in, now, is_primary=False)


def of(request: HttpRequest) -> Sequence[OidcSession]:
    """Return the sign-ins the session stands on, the first one first."""
    return list(_living(request).order_by("-is_primary", "began_at"))


def proven(request: HttpRequest) -> list[Proven]:
    """Return who the session's person has proven to be, at each provider; the primary one first."""
    return [found for found in (_proven(row) for row in of(request)) if found is not None]


def is_strong(request: HttpRequest, least: str, *, now: datetime, within: timedelta | None = None) -> bool:
    """Say whether the primary sign-in reaches an acr, and is not older than `within`."""
    row = next(iter(of(request)), None)
    provider = provider_for(row.issuer) if row else None
    if row is None or provider is None or not reaches(row.acr, least, provider.acr_levels):
        return False
    return within is None or (row.auth_time is not None and now - row.auth_time <= within)


def access_token(request: HttpRequest, utility_id: str, now: datetime, *, order_id: str = "") -> str:
    """Return an access token of the signed-in person for a utility, renewed if it is about to expire.

    With an `order_id` it is one that was given out for no other order: whoever receives a token binds it to the order
    it came with (decision 46). Raises SignInNeeded when there is none and none can be had, ProviderUnavailable when
    the provider does not answer or another request is renewing it. May ask the provider: no transaction open.
    """
    row = next((row for row in of(request) if _speaks_for(row, utility_id)), None)
    if row is None or not row.tokens or not row.tokens["access"] or row.access_expires_at is None:
        raise SignInNeeded(f"no sign-in at {utility_id}, or none whose token we may keep")
    given_for = row.tokens.get("order", "")
    if now < row.access_expires_at - RENEW_BEFORE and (not order_id or given_for in ("", order_id)):
        token = str(row.tokens["access"])
    else:
        token = _renewed(row, now, order_id)
        row.refresh_from_db(fields=["tokens"])
    if order_id and row.tokens and row.tokens.get("order") != order_id:
        kept = {**row.tokens, "order": order_id}
        OidcSession.objects.filter(pk=row.pk, ended_at=None).update(tokens=kept)
    return token


def end(request: HttpRequest, *, now: datetime) -> list[tuple[Provider, str]]:
    """Sign out here; return the providers to sign out at, each with its ID token, the primary one first."""
    rows = of(request)
    found = [(provider_for(row.issuer), str((row.tokens or {}).get("id", ""))) for row in rows]
    with transaction.atomic():
        _end(OidcSession.objects.filter(pk__in=[row.pk for row in rows]), by="PERSON", now=now)
        logout(request)
    return [(provider, token) for provider, token in found if provider is not None]


def end_at(issuer: str, *, sub: str, sid: str, now: datetime) -> int:
    """End what stands on a provider's session (`sid`), or on all of a person's there; return how many sessions."""
    named = {name: value for name, value in (("sub", sub), ("sid", sid)) if value}
    with transaction.atomic():
        rows = list(OidcSession.objects.select_for_update().filter(issuer=issuer, ended_at=None, **named))
        over = {row.session_key for row in rows if row.is_primary}
        _end(
            OidcSession.objects.filter(Q(pk__in=[row.pk for row in rows]) | Q(session_key__in=over, ended_at=None)),
            by="PROVIDER",
            now=now,
        )
        for key in over:
            _store(key).delete()
            console_sessions.SessionStore(key).delete()
    return len(rows)


def digest_of(request: HttpRequest) -> str:
    """Return what names this session where its key must not stand."""
    return hashlib.sha256(f"session\x00{request.session.session_key}".encode()).hexdigest()


def actor_of(user: User) -> Actor:
    """The person who is signed in, for the journal."""
    return Actor(ActorKind.PERSON, str(user.pk), Channel.PORTAL)


def staff_actor(user: User) -> Actor:
    """The member of staff who is signed in, for the journal."""
    return Actor(ActorKind.STAFF, str(user.pk), Channel.CONSOLE)


def forget_old(now: datetime) -> int:
    """End what is older than a session lasts, so that no token outlives it; delete what nobody needs; return how many.

    Runs on beat; safe to run twice at once.
    """
    count = _end(OidcSession.objects.filter(ended_at=None, began_at__lt=now - LASTS), by="AGE", now=now)
    count += OidcSession.objects.filter(ended_at__lt=now - KEPT).delete()[0]
    count += console_sessions.forget_old(now)
    for model in (AccountLink, LinkReference, LogoutToken):
        count += model._default_manager.filter(expires_at__lt=now - timedelta(days=1)).delete()[0]
    return count


def _renewed(row: OidcSession, now: datetime, order_id: str) -> str:
    provider = provider_for(row.issuer)
    if provider is None or not row.tokens or not row.tokens.get("refresh"):
        raise SignInNeeded("the session cannot be renewed")
    free = Q(renewing_until=None) | Q(renewing_until__lt=now)
    # One at a time: a provider that rotates takes a refresh token that comes twice for a stolen one.
    if not OidcSession.objects.filter(free, pk=row.pk, ended_at=None).update(renewing_until=now + RENEWAL_LEASE):
        is_free = not order_id or row.tokens.get("order", "") in ("", order_id)
        if row.access_expires_at and now < row.access_expires_at and is_free:
            return str(row.tokens["access"])
        raise ProviderUnavailable("another request is renewing this session")
    try:
        got = renew(provider, row.tokens["refresh"], now=now)
    except Declined as refused:
        _end(OidcSession.objects.filter(pk=row.pk), by="PROVIDER", now=now)
        raise SignInNeeded("the provider does not renew the session") from refused
    except ProviderUnavailable:
        OidcSession.objects.filter(pk=row.pk).update(renewing_until=None)
        raise
    new = keepable(got)
    kept = {name: new[name] or row.tokens.get(name, "") for name in ("refresh", "id")} | {"access": new["access"]}
    OidcSession.objects.filter(pk=row.pk, ended_at=None).update(
        tokens=kept, access_expires_at=got.access_expires_at, renewing_until=None
    )
    if not new["access"]:
        raise SignInNeeded("the provider's access tokens tell more than we keep")
    return new["access"]


def _living(request: HttpRequest) -> Any:
    key = request.session.session_key
    return OidcSession.objects.filter(session_key=key, ended_at=None) if key else OidcSession.objects.none()


def _proven(row: OidcSession) -> Proven | None:
    provider = provider_for(row.issuer)
    return proven_of(Token(provider, "", row.claims, row.began_at + LASTS)) if provider and row.claims else None


def _speaks_for(row: OidcSession, utility_id: str) -> bool:
    found = _proven(row)
    return found is not None and found.utility_id == utility_id


def _keep(request: HttpRequest, user: Any, signed_in: SignedIn, now: datetime, *, is_primary: bool) -> None:
    OidcSession.objects.create(
        user=user,
        session_key=str(request.session.session_key),
        is_primary=is_primary,
        issuer=signed_in.provider.issuer,
        sub=signed_in.sub,
        sid=reading.text(signed_in.claims, "sid")[:255],
        acr=signed_in.acr[:128],
        auth_time=reading.instant(signed_in.claims, "auth_time"),
        claims=signed_in.claims,
        tokens=keepable(signed_in.tokens),
        access_expires_at=signed_in.tokens.access_expires_at,
        began_at=now,
    )


def _change_key(request: HttpRequest, before: str) -> None:
    """Give the session a new id and take along the sign-ins that stay."""
    request.session.cycle_key()
    request.session.save()
    if before:
        OidcSession.objects.filter(session_key=before, ended_at=None).update(session_key=request.session.session_key)


def _end(rows: Any, *, by: str, now: datetime) -> int:
    ended = rows.filter(ended_at=None)
    return int(ended.update(ended_at=now, ended_by=by, tokens=None, claims=None, renewing_until=None))


def _store(key: str) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def _sign_in(signed_in: SignedIn) -> dict[str, Any]:
    """What the console's session keeps of the sign-in: asked with every request."""
    at = reading.instant(signed_in.claims, "auth_time")
    return {"issuer": signed_in.provider.issuer, "acr": signed_in.acr, "at": at.timestamp() if at else None}


def _told(signed_in: SignedIn) -> dict[str, Any]:
    door = {AGENCY: "agency", STAFF: "console"}.get(signed_in.provider.kind, "portal")
    return {"door": door, "provider": signed_in.provider.slug, "acr": signed_in.acr[:32]}
