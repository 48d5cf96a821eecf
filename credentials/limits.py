"""How much anybody may have checked: per address, and how many checks may wait for other issuers at once.

Verifying is public. What it costs is bounded by the size of what is posted (`views.MAXIMUM_BODY`), by these budgets,
and by the seconds a check may wait. Source: spec credentials.md 5.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from audit import clock
from credentials.asking import Busy, Waiting
from credentials.web import allow_all_origins, problem
from identity.limits import Budget, source_of

View = Callable[..., HttpResponse]
RETRY_SECONDS = 2
_SOURCES = 10_000


def posting() -> Budget:
    """Credentials and presentations that one address posts to be checked."""
    return _budget("verify-posted", 20.0, 200)


def asking() -> Budget:
    """Documents of other issuers that are fetched for one address: it may not make us call others all day."""
    return _budget("verify-asking", 2.0, 60)


def looking() -> Budget:
    """Questions about a credential of ours by its number. Counted by each process: GET writes nothing."""
    return _budget("verify", 50.0, 500)


def _budget(name: str, per_second: float, burst: float) -> Budget:
    """A budget that the deployment may set: VERIFY_RATES = {"verify-posted": (per_second, burst), …}."""
    given = settings.VERIFY_RATES.get(name)
    return Budget(name, *given) if given else Budget(name, per_second, burst)


def limited(view: View) -> View:
    """Let one address ask a view only so often (429), and only as many wait for others as may (503)."""

    @wraps(view)
    def counted(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        budget = posting() if request.method == "POST" else looking()
        if request.method != "OPTIONS" and not _take(request, budget):
            return _again(429, "Too many credentials were checked from your address.", budget.retry_after_seconds)
        try:
            return view(request, *args, **kwargs)
        except Busy:
            return _again(503, "Too many credentials are being checked.", RETRY_SECONDS)

    return counted


def waiting(request: HttpRequest) -> Waiting:
    """What a check of this request has to have while it waits for another issuer: one of a few places.

    Half of the web threads at most wait for strangers; the others go on answering. Raises Busy when none is left, and
    when the address has made us ask too often.
    """

    @contextmanager
    def place() -> Iterator[None]:
        if not asking().take(clock.now(), source_of(request)) or not places().acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            places().release()

    return place


@cache
def places() -> threading.BoundedSemaphore:
    """The places of this process in which a thread may wait for another issuer."""
    return threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


def _take(request: HttpRequest, budget: Budget) -> bool:
    if request.method == "POST":
        return budget.take(clock.now(), source_of(request))
    return _counted_here.take(budget, source_of(request))


class _Here:
    """Token buckets of this process, the least used of them forgotten."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, budget: Budget, who: str) -> bool:
        now = time.monotonic()
        with self._lock:
            tokens, at = self._buckets.pop(who, (budget.burst, now))
            tokens = min(budget.burst, tokens + (now - at) * budget.per_second)
            self._buckets[who] = (tokens - 1 if tokens >= 1 else tokens, now)
            if len(self._buckets) > _SOURCES:
                self._buckets.popitem(last=False)
            return tokens >= 1

    def forget(self) -> None:
        with self._lock:
            self._buckets.clear()


_counted_here = _Here()


def _again(status: int, sentence: str, seconds: int) -> HttpResponse:
    response = problem(status, f"{sentence} Please try again in a moment.")
    response.headers["Retry-After"] = str(seconds)
    return allow_all_origins(response)
