"""What every request gets: a reference, one log line, and headers that bind the browser."""

import logging
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from config import errors
from identity.access import Who, who_may
from identity.console_sessions import is_console
from identity.oidc.policy import to_providers

log = logging.getLogger("web")
Next = Callable[[HttpRequest], HttpResponse]
QUIET = {"/healthz", "/readyz", "/metrics"}
# Lists are looked at hundreds of times a second, and when somebody looked is nobody's business; errors are told.
QUIET_WHEN_GOOD = "/status/"


class RequestLog:
    """Give the request a reference and tell its outcome in one line, without query, headers or body."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        reference = uuid.uuid4().hex
        request.reference = reference  # type: ignore[attr-defined]
        started = time.perf_counter()
        structlog.contextvars.clear_contextvars()  # what the request before has named in this thread
        with structlog.contextvars.bound_contextvars(request=reference):
            response = self.get_response(request)
            if not _is_quiet(request.path, response.status_code):
                milliseconds = round((time.perf_counter() - started) * 1000, 1)
                log.info(
                    "request",
                    extra={
                        "method": request.method,
                        "path": _without_secrets(request),
                        "status": response.status_code,
                        "milliseconds": milliseconds,
                    },
                )
        response.headers["X-Request-Id"] = reference
        return response


def _without_secrets(request: HttpRequest) -> str:
    """The path without the token that some addresses are good for: whoever reads logs may not open them."""
    found = request.resolver_match
    token = str(found.kwargs.get("token", "")) if found is not None else ""
    return request.path.replace(token, "…") if token else request.path


def _is_quiet(path: str, status: int) -> bool:
    return path in QUIET or (status < 400 and path.startswith(QUIET_WHEN_GOOD))


class ConsoleHost:
    """Where the console has a host of its own, it is there and nowhere else, and nothing else is there.

    Its first address leads to it; styles and scripts are everywhere.
    """

    SHARED = (settings.STATIC_URL, "/healthz")

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        console = _netloc(settings.CONSOLE_URL)
        if console == _netloc(settings.PUBLIC_URL) or request.path.startswith(self.SHARED):
            return self.get_response(request)
        is_here = _netloc(f"{request.scheme}://{request.get_host()}") == console
        if is_here and request.path == "/":
            return HttpResponseRedirect("/admin/", status=303)
        return self.get_response(request) if is_here == is_console(request) else errors.answer(request, 404)


def _netloc(url: str) -> str:
    """Host and port, without the port that the scheme has by itself."""
    parts = urlsplit(url.lower())
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.hostname}:{parts.port or default}"


class NoNulls:
    """A NUL that the console is asked for is refused at its door: PostgreSQL takes none, nobody could look for it."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_console(request) and "%00" in request.META.get("QUERY_STRING", ""):
            return errors.answer(request, 400)
        return self.get_response(request)


class SecurityHeaders:
    """Content-Security-Policy and its companions, unless the view has set its own."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # The header of a page for who is signed in has "Sign out", which goes on to their provider.
        at_console = is_console(request)
        own = settings.CONTENT_SECURITY_POLICY
        if _is_page(request, response):
            own = to_providers(of_staff=at_console)
        response.headers.setdefault("Content-Security-Policy", own)
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-site")
        return response


class SafePages:
    """What belongs to somebody is kept by no browser and no cache: after signing out, Back shows nothing.

    That is every answer of an address that asks who somebody is, and every page shown to who has a session.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if _is_personal(request, response) and "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "private, no-store"
        return response


def _is_personal(request: HttpRequest, response: HttpResponse) -> bool:
    match = request.resolver_match
    if match is not None and who_may(match.view_name) in (Who.PERSON, Who.STAFF, Who.AGENT):
        return True
    return _is_page(request, response)


def _is_page(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether this is a page shown to who has a session."""
    is_html = response.headers.get("Content-Type", "").startswith("text/html")
    name = settings.CONSOLE_SESSION_COOKIE_NAME if is_console(request) else settings.SESSION_COOKIE_NAME
    return is_html and name in request.COOKIES


class Locale(LocaleMiddleware):
    """Django's, which would have caches keep status lists and DID documents once per language.

    The console speaks English only: half a translation, Django's own, would be harder to read than none. So do the
    agencies' desks; what their customers read or hear is in the customer's language.
    """

    ENGLISH = ("/admin/", "/agency/")

    def process_request(self, request: HttpRequest) -> None:
        """The language that was chosen in this browser, else the first one of the browser's that we have."""
        super().process_request(request)
        if request.path.startswith(self.ENGLISH):
            translation.activate("en")
            request.LANGUAGE_CODE = "en"

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Leave the answer's headers alone unless it is a page."""
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
