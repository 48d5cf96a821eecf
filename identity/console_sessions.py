"""The console's sessions: Django's, in a table and under a cookie of their own (`settings.CONSOLE_SESSION_*`).

What a portal's cookie names is not found here, and the other way round: a session is a customer's, an agent's or
staff's by where its row is. Whoever stays away for `CONSOLE_IDLE`, or is here for `CONSOLE_LASTS`, signs in again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse

from audit import clock
from identity.models import ConsoleSession

PLACE = "/admin/"
BEGAN, SEEN, OVER, SIGN_IN = "began_at", "seen_at", "was_over", "sign_in"
SEEN_EVERY = timedelta(minutes=1)


class SessionStore(DatabaseStore):
    """Rows of `console_sessions`."""

    @classmethod
    def get_model_class(cls) -> Any:
        return ConsoleSession


class TwoKinds(SessionMiddleware):
    """Middleware: the console's session where the console is, a portal's everywhere else."""

    def process_request(self, request: HttpRequest) -> None:
        if not is_console(request):
            super().process_request(request)
            return
        request.session = SessionStore(request.COOKIES.get(settings.CONSOLE_SESSION_COOKIE_NAME))
        _keep_time(request, clock.now())

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        if not isinstance(getattr(request, "session", None), SessionStore):
            return super().process_response(request, response)
        return _finish(request, response)


def is_console(request: HttpRequest) -> bool:
    return request.path.startswith(PLACE)


def begin(request: HttpRequest, now: datetime, *, sign_in: dict[str, Any] | None = None) -> None:
    """Count from now. The caller has signed somebody in; `sign_in` says how at a provider, None for a local account."""
    request.session[SIGN_IN] = sign_in
    request.session[BEGAN] = request.session[SEEN] = now.timestamp()
    request.session.pop(OVER, None)
    request.session.set_expiry(int(settings.CONSOLE_LASTS.total_seconds()))


def ends_at(request: HttpRequest) -> datetime | None:
    """When the session ends whatever is done; None for one that nobody has signed in to."""
    began = request.session.get(BEGAN)
    return datetime.fromtimestamp(began, UTC) + settings.CONSOLE_LASTS if began is not None else None


def forget_old(now: datetime) -> int:
    """Delete what is over; return how many."""
    return int(ConsoleSession.objects.filter(expire_date__lt=now).delete()[0])


def _keep_time(request: HttpRequest, now: datetime) -> None:
    """End what has lasted long enough, and keep, to a minute, that somebody is here."""
    session = request.session
    began, seen = session.get(BEGAN), session.get(SEEN)
    if began is None or seen is None:
        return
    is_idle = now.timestamp() - seen >= settings.CONSOLE_IDLE.total_seconds()
    if is_idle or now.timestamp() - began >= settings.CONSOLE_LASTS.total_seconds():
        session.flush()
        session[OVER] = "idle" if is_idle else "long"
    elif now.timestamp() - seen >= SEEN_EVERY.total_seconds():
        session[SEEN] = now.timestamp()


def _finish(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Save what was changed and set or take the cookie; Django's own middleware knows one cookie only."""
    name, session = settings.CONSOLE_SESSION_COOKIE_NAME, request.session
    if name in request.COOKIES and session.is_empty():
        response.delete_cookie(name, path="/", samesite="Lax")
        return response
    if session.modified and not session.is_empty() and response.status_code != 500:
        try:
            session.save()
        except UpdateError:
            raise SessionInterrupted("the session was ended while the page was made") from None
        response.set_cookie(
            name, session.session_key or "", path="/", secure=settings.HTTPS, httponly=True, samesite="Lax"
        )
    return response
