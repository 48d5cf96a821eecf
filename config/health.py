"""Is the process up, and can it work? Names what is wrong to operators, and only yes or no to strangers."""

import hmac
from collections.abc import Callable, Sequence

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from audit import clock
from config.celery import app as celery
from credentials import list_watch
from credentials.models import IssuerKey, KeyAlgorithm, KeyState, Kind, StatusList

Check = Callable[[], str]
_MOST_NAMED = 5


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; says nothing about the rest."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this process can do its work: 200 or 503, each part named for those who may see it.

    A broker that is down makes work slower, never impossible (decision 29): it is told and does not refuse.
    """
    found = {name: check() for name, check in CHECKS.items()}
    ready = all(found[name] == "ok" for name in found if name not in HARMLESS)
    answer: dict[str, object] = {"ready": ready}
    if may_see_details(request):
        answer["checks"] = found
    response = JsonResponse(answer, status=200 if ready else 503)
    response.headers["Cache-Control"] = "no-store"
    return response


def may_see_details(request: HttpRequest) -> bool:
    """Everybody in the sandbox; in production whoever holds the operations token."""
    if settings.SANDBOX:
        return True
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.OPERATIONS_TOKEN) and hmac.compare_digest(token.encode(), settings.OPERATIONS_TOKEN.encode())


def database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as problem:
        return f"unreachable ({type(problem).__name__})"
    return "ok"


def broker() -> str:
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        return "ok"
    try:
        with celery.connection_for_write(settings.CELERY_BROKER_URL) as line:
            line.ensure_connection(max_retries=1, timeout=1, interval_start=0, interval_step=0)
    except Exception as problem:  # every transport raises errors of its own
        return f"unreachable ({type(problem).__name__}); the sweep does the work"
    return "ok"


def keys() -> str:
    """Whether there is a key of each algorithm to issue with."""
    return _said(_missing_keys)


def _missing_keys() -> str:
    active = IssuerKey.objects.filter(state=KeyState.ACTIVE).count()
    return "" if active == len(KeyAlgorithm) else "one is missing; run `manage.py bootstrap`"


def lists() -> str:
    """Whether every kind of credential has a status list with places left, and verifiers accept what is published."""
    return _said(_unusable_lists)


def _unusable_lists() -> str:
    usable = StatusList.objects.filter(version__gt=0, closed_at=None).values_list("kind", flat=True)
    missing = sorted(set(Kind.values) - set(usable))
    if missing:
        return f"none is published for {', '.join(missing)}; run `manage.py bootstrap`"
    over = list_watch.over(clock.now())
    return f"past their time, verifiers refuse them: {_named(over)}; is a worker running?" if over else ""


def lists_renewed() -> str:
    """Whether the worker keeps up: it signs a list again when half its time is over and shows a change at once."""
    return _said(_late_lists)


def _late_lists() -> str:
    late = list_watch.late(clock.now())
    return f"not renewed in time: {_named(late)}; is a worker running?" if late else ""


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(paths[:_MOST_NAMED]) + more


def _said(problem_of: Callable[[], str]) -> str:
    try:
        return problem_of() or "ok"
    except DatabaseError as problem:
        return f"unreachable ({type(problem).__name__})"


CHECKS: dict[str, Check] = {
    "database": database,
    "broker": broker,
    "keys": keys,
    "lists": lists,
    "lists_renewed": lists_renewed,
}
HARMLESS = {"broker", "lists_renewed"}  # of a list that is late there is still time to mend the worker
