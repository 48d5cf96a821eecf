"""Which browser somebody proved themselves in: a cookie that names the browser and nobody in it, kept for a year.

It tells one thing, in `portals.agency.signals`: that many customers have proved themselves in one browser, be it the
agent's or one in which the links of many were opened. Without it, or with one that was made up, nothing is told.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from identity.encryption import blind_index
from identity.inserting import insert_if_new
from portals.models import AssistedCase, DeviceProof

COOKIE, SALT = "device", "portals.agency.device"
LASTS_SECONDS = 365 * 86_400
#: Where browsers are named: the agencies' portal, and what is handed over to customers.
PLACES = ("/agency/", "/hand-over/")

View = Callable[[HttpRequest], HttpResponse]


class NamedDevices:
    """Middleware that gives a browser its name where customers prove themselves to an agency."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(PLACES):
            return self.get_response(request)
        name = name_of(request)
        is_new = not name
        if is_new:
            name = secrets.token_urlsafe(24)
        request.device = name  # type: ignore[attr-defined]
        response = self.get_response(request)
        if is_new:
            response.set_cookie(
                cookie_name(),
                signing.dumps(name, salt=SALT),
                max_age=LASTS_SECONDS,
                secure=settings.HTTPS,
                httponly=True,
                samesite="Lax",
            )
        return response


def cookie_name() -> str:
    return f"__Host-{COOKIE}" if settings.HTTPS else COOKIE


def name_of(request: HttpRequest) -> str:
    """The browser's name as its cookie has it; "" without a good one."""
    given = getattr(request, "device", "")
    if given:
        return str(given)
    try:
        found = signing.loads(request.COOKIES.get(cookie_name(), ""), salt=SALT)
    except signing.BadSignature:
        return ""
    return found if isinstance(found, str) else ""


def digest_of(request: HttpRequest) -> str:
    """What is kept of a browser's name; "" for one without."""
    name = name_of(request)
    return blind_index(name, purpose="agency-device").hex() if name else ""


def proved(request: HttpRequest, case: AssistedCase, now: datetime) -> None:
    """Keep that this case's customer has just proved themselves in this browser."""
    digest = digest_of(request)
    if digest:
        insert_if_new(DeviceProof(case=case, device_digest=digest, at=now), unique=("device_digest", "case"))
