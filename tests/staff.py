"""Staff at the console, in process: a browser in which somebody with certain roles is signed in."""

from __future__ import annotations

import itertools
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest
from django.test import Client

from audit import clock
from identity import console_sessions
from identity.console_sessions import SessionStore
from identity.models import StaffMember, User
from identity.staff import Role

_numbers = itertools.count(1)
PASSWORD = "a long password for the night shift"


class Desk(Client):
    """A browser at the console: its session is of the console's kind. `member` is whose it is."""

    member: StaffMember

    def enter(self, user: User, *, acr: str = "2", at: Any = None) -> None:
        """Be signed in as staff are: at their provider, or, with a local account, at the emergency's door."""
        now, request = clock.now(), HttpRequest()
        request.session = SessionStore()
        how = {"issuer": user.issuer, "acr": acr, "at": (at or now).timestamp()}
        local = "django.contrib.auth.backends.ModelBackend"
        login(request, user, backend="identity.oidc.backend.Backend" if user.issuer else local)
        console_sessions.begin(request, now, sign_in=how if user.issuer else None)
        request.session.save()
        self.cookies[settings.CONSOLE_SESSION_COOKIE_NAME] = str(request.session.session_key)

    @property
    def console(self) -> SessionStore:
        """The session as it is kept now."""
        return SessionStore(self.cookies[settings.CONSOLE_SESSION_COOKIE_NAME].value)


def issuer() -> str:
    """Where staff sign in."""
    return next(each.issuer for each in settings.OIDC_PROVIDERS if each.kind == "STAFF")


def member(*roles: Role, name: str = "", **more: Any) -> StaffMember:
    """Somebody with these roles who has an account."""
    number = f"staff-{next(_numbers)}"
    user = User.objects.create(username=number, issuer=issuer(), sub=number)
    said = {
        "name": name or f"Member {number}",
        "roles": [role.value for role in roles],
        "added_at": clock.now(),
        "last_seen_at": clock.now(),
    }
    return StaffMember.objects.create(user=user, joined_at=clock.now(), **{**said, **more})


def desk(*roles: Role, **more: Any) -> Desk:
    """A browser in which a new member of staff with these roles is signed in."""
    return desk_of(member(*roles, **more))


def desk_of(found: StaffMember) -> Desk:
    """A browser in which this member is signed in."""
    browser = Desk()
    browser.member = found
    assert found.user is not None
    browser.enter(found.user)
    return browser


def break_glass(name: str = "") -> Desk:
    """A browser in which somebody is signed in with a local account."""
    browser = Desk()
    browser.enter(User.objects.create_superuser(name or f"glass-{next(_numbers)}", PASSWORD))
    return browser
