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


def working() -> Budget:
    """Seconds of processor time of each process: a document may cost a hundred times what another of its size does."""
    return _budget("verify-work", 0.25, 5.0)


def _budget(name: str, per_second: float, burst: float) -> Budget:
    """A budget that the deployment may set: VERIFY_RATES = {"verify-posted": (per_second, burst), …}."""
    given = settings.VERIFY_RATES.get(name)
    return Budget(name, *given) if given else Budget(name, per_second, burst)


def limited(view: View) -> View:
    """Let one address ask a view only so often and only so much (429), and only as many wait as may (503)."""

    @wraps(view)
    def counted(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method == "OPTIONS":
            return view(request, *args, **kwargs)
        source = source_of(request)
        budget = posting() if request.method == "POST" else looking()
        work = working()
        if not _take(request, budget, source) or _worked.left(source, work) <= 0:
            return _again(429, "Too many credentials were checked from your address.", budget.retry_after_seconds)
        began = time.thread_time()
        try:
            return view(request, *args, **kwargs)
        except Busy:
            return _again(503, "Too many credentials are being checked.", RETRY_SECONDS)
        finally:
            _worked.spend(source, work, time.thread_time() - began)

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


class _Here:
    """Buckets of this process by source; the least used are forgotten."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def left(self, who: str, budget: Budget) -> float:
        """Return what `who` has left of a budget."""
        with self._lock:
            return self._refilled(who, budget)[0]

    def spend(self, who: str, budget: Budget, amount: float) -> None:
        """Take an amount, also more than there is."""
        with self._lock:
            left, now = self._refilled(who, budget)
            self._buckets[who] = (left - amount, now)
            self._buckets.move_to_end(who)
            if len(self._buckets) > _SOURCES:
                self._buckets.popitem(last=False)

    def forget(self) -> None:
        """Everybody's buckets are full again."""
        with self._lock:
            self._buckets.clear()

    def _refilled(self, who: str, budget: Budget) -> tuple[float, float]:
        now = time.monotonic()
        left, at = self._buckets.get(who, (budget.burst, now))
        return min(budget.burst, left + (now - at) * budget.per_second), now


_looked, _worked = _Here(), _Here()


def forget() -> None:
    """Forget what this process has counted."""
    _looked.forget()
    _worked.forget()


def _take(request: HttpRequest, budget: Budget, source: str) -> bool:
    if request.method == "POST":
        return budget.take(clock.now(), source)
    if _looked.left(source, budget) < 1:
        return False
    _looked.spend(source, budget, 1)
    return True


def _again(status: int, sentence: str, seconds: int) -> HttpResponse:
    response = problem(status, f"{sentence} Please try again in a moment.")
    response.headers["Retry-After"] = str(seconds)
    return allow_all_origins(response)
