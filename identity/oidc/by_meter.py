"""The second way in: a meter's number, and the one-time code that the utility sends to whoever holds it.

What is answered is the same for numbers that there are and that there are not. Sending is limited, and guessing locks
the code and nothing else (`identity.one_time_codes`). Source: issue 4 points 1 and 9.
"""

import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.translation import get_language

from audit import clock
from identity import one_time_codes, people, sessions
from identity.codes import CodeRequest, CodeService
from identity.encryption import blind_index
from identity.limits import source_of
from identity.models import OneTimeCode, User
from identity.oidc.endings import Ending, SignInFailed
from identity.oidc.requests import own_path
from identity.oidc.tokens import Tokens
from identity.oidc.views import FROM_ONE_ADDRESS, Door, ends
from identity.providers import sign_ins
from identity.sessions import SignedIn

KEY = "code_asked"  # in the session: {message, next, until}; never the code's own session
ISSUER = "urn:one-time-code:"  # and the utility's id: in the place of a provider's
DOOR = "portal"  # in the place of a participant: who asked the utility
NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{2,39}")
CODE = re.compile(r"[0-9]{4,10}")


@dataclass(frozen=True)
class CodeProvider:
    """A utility in the place of an identity provider (`providers.Provider`): proves by a code, gives no tokens."""

    issuer: str
    utilities: tuple[str, ...]
    slug: str = "one-time-code"
    name: str = ""
    kind: str = "CODE"
    client_id: str = ""
    client_secret: str = ""
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    clients: tuple[Any, ...] = ()
    minimum_acr: str = ""
    acr_levels: tuple[str, ...] = ()
    jwks_url: str = ""


@dataclass(frozen=True)
class Helper:
    """Who has asked the customer to sign in, where somebody has: a request's `helped_by`, set by who knows (`portals`).

    The code's message names them, so that nobody tells it to them on the telephone for a sign-in of their own.
    """

    agency: str
    agent: str
    program: str


class Meter(Door):
    """Which utility, and the number on the meter."""

    template_name = "identity/meter.html"

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        known = {utility: each.name for each in sign_ins() for utility in each.utilities}
        named = {each.id: each.name or known.get(each.id) or each.id for each in settings.UTILITIES}
        utilities = [{"slug": utility, "name": name} for utility, name in named.items()]
        typed = {"number": request.POST.get("number", ""), "chosen": request.POST.get("provider", "")}
        return super().page(request, status=status, utilities=utilities, **typed, **said)

    def post(self, request: HttpRequest) -> HttpResponse:
        utility, number = request.POST.get("provider", ""), request.POST.get("number", "").strip()
        if utility not in {each.id for each in settings.UTILITIES}:
            return self.page(request, status=422, mistake="provider")
        if not NUMBER.fullmatch(number):
            return self.page(request, status=422, mistake="number")
        try:
            _send(request, utility, number)
        except SignInFailed as failed:
            return ends(request, failed, own_path(request.POST.get("next", "")))
        return HttpResponseRedirect(reverse("oidc-code"), status=303)


class CodeSent(Door):
    """The code that came."""

    template_name = "identity/code.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if KEY not in request.session:
            return HttpResponseRedirect(reverse("oidc-meter"), status=303)
        return self.page(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        asked, code = request.session.get(KEY), request.POST.get("code", "").replace(" ", "")
        if not asked:
            return HttpResponseRedirect(reverse("oidc-meter"), status=303)
        if not CODE.fullmatch(code):
            return self.page(request, status=422, mistake="shape")
        try:
            proven = _prove(request, asked["message"], code)
            if isinstance(proven, one_time_codes.Unproven):
                return self._say(request, proven)
            _arrive(request, proven)
        except SignInFailed as failed:
            return ends(request, failed, asked["next"])
        return HttpResponseRedirect(asked["next"] or reverse("oidc-account"), status=303)

    def _say(self, request: HttpRequest, why: one_time_codes.Unproven) -> HttpResponse:
        is_over = why.code != one_time_codes.OTP_INVALID or why.attempts_left == 0
        return self.page(request, status=422, mistake="over" if is_over else "wrong", left=why.attempts_left)


def _send(request: HttpRequest, utility: str, number: str) -> None:
    """Have the code sent. Raises SignInFailed: TOO_MANY or UNAVAILABLE. No transaction open."""
    now = clock.now()
    if not FROM_ONE_ADDRESS.take(now, source_of(request)):
        raise SignInFailed(Ending.TOO_MANY)
    if not request.session.session_key:
        request.session.create()
    message = secrets.token_urlsafe(24)
    helper: Helper | None = getattr(request, "helped_by", None)
    named = {**asdict(helper), "ending": number[-4:]} if helper is not None else {}
    asked = CodeRequest(
        mobile="",
        meter_number=number,
        requested_by=settings.ISSUER_NAME or settings.PUBLIC_URL,
        locale=get_language() or "en",
        **named,
    )
    try:
        sent = one_time_codes.send(
            _service(utility), asked, participant_id=DOOR, order_id=_browser(request), message_id=message, now=now
        )
    except import_string(settings.CODE_SERVICE_DOWN) as error:
        raise SignInFailed(Ending.UNAVAILABLE, f"{utility} sends no codes") from error
    if isinstance(sent, one_time_codes.Unproven):
        raise SignInFailed(Ending.TOO_MANY)
    next_path = own_path(request.POST.get("next", ""))
    request.session[KEY] = {"message": message, "next": next_path}


def _prove(request: HttpRequest, message: str, code: str) -> one_time_codes.Proven | one_time_codes.Unproven:
    row = OneTimeCode.objects.filter(participant_id=DOOR, message_id=message).first()
    if row is None or not row.session:
        return one_time_codes.Unproven(one_time_codes.OTP_EXPIRED, "")
    try:
        return one_time_codes.prove(
            _service,
            nguid=row.session,
            code=code,
            mobile="",
            participant_id=DOOR,
            order_id=_browser(request),
            now=clock.now(),
        )
    except import_string(settings.CODE_SERVICE_DOWN) as error:
        raise SignInFailed(Ending.UNAVAILABLE, f"{row.utility_id} checks no codes") from error


def _arrive(request: HttpRequest, proven: one_time_codes.Proven) -> None:
    """Sign the holder in."""
    now, account = clock.now(), proven.utility_customer_id
    provider = CodeProvider(f"{ISSUER}{proven.utility_id}", (proven.utility_id,))
    with transaction.atomic():
        user = holder(proven, now=now)
        who = {"sub": user.sub, "utility_id": proven.utility_id, "utility_customer_ids": [account]}
        claims = {**who, "id_type": "METER_NUMBER"}
        signed_in = SignedIn(provider, claims, Tokens("", access_expires_at=now), _until(now))
        sessions.begin(request, user, signed_in, now=now)
    request.session.pop(KEY, None)


def holder(proven: one_time_codes.Proven, *, now: datetime) -> User:
    """Whose code it was: the account at this utility, named by a blind index. Raises SignInFailed."""
    account = proven.utility_customer_id
    sub = blind_index(f"{proven.subject_did} {account}", purpose=f"sign-in-by-code {proven.utility_id}").hex()
    try:
        with transaction.atomic():
            user = User.objects.for_login(f"{ISSUER}{proven.utility_id}", sub)
            if not user.is_active:
                raise SignInFailed(Ending.INACTIVE)
            people.of_code(user, utility_id=proven.utility_id, did=proven.subject_did, account=account, now=now)
    except people.OtherPerson as error:
        raise SignInFailed(Ending.OTHER_PERSON, str(error)) from error
    return user


def _until(now: datetime) -> datetime:
    return now + timedelta(hours=8)


def _service(utility_id: str) -> CodeService:
    found: CodeService = import_string(settings.CODE_SERVICE)(utility_id)
    return found


def _browser(request: HttpRequest) -> str:
    """In the place of an order: the code counts in the browser that asked for it, and nowhere else."""
    return sessions.digest_of(request)
