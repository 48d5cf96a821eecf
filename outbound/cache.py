"""Answers kept in this process by their Cache-Control, one fetch at a time per address."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outbound.client import Response

ENTRIES = 512
BYTES = 32 << 20  # of all bodies that are kept; strangers choose what addresses we ask and what these answer
_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_DO_NOT_KEEP = re.compile(r"(?:^|,)\s*(?:no-store|no-cache)\b", re.IGNORECASE)


@dataclass
class _Kept:
    """One address's last good answer; `lock` lets only one caller fetch while the others wait for its answer."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    response: "Response | None" = None
    good_until: float = 0.0
    asked_at: float = 0.0
    failed_at: float = 0.0
    failure: Exception | None = None


class Cache:
    """At most ENTRIES answers of BYTES in all, the least used go first. `clock` is monotonic seconds."""

    def __init__(
        self, *, entries: int = ENTRIES, most_bytes: int = BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size, self._most_bytes = entries, most_bytes
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self,
        url: str,
        *,
        accept: str,
        max_age_default: float,
        max_age_cap: float,
        fresh: bool,
        fetch: Callable[[Mapping[str, str]], "Response"],
    ) -> "Response":
        kept = self._entry(url, accept)
        arrived = self._clock()
        if not fresh and kept.response is not None and arrived < kept.good_until:
            return kept.response
        with kept.lock:
            # Somebody may have fetched while we waited for the lock: that answer is as fresh as ours would be.
            now = self._clock()
            if kept.response is not None and now < kept.good_until and (not fresh or kept.asked_at > arrived):
                return kept.response
            # Nor does a host that kept them waiting get to keep each of them waiting in turn.
            if kept.failure is not None and kept.failed_at > arrived:
                raise kept.failure.with_traceback(None)
            try:
                response = self._fetch(kept, accept, max_age_default, max_age_cap, fetch)
            except Exception as error:
                kept.failed_at, kept.failure = self._clock(), _bare(error)
                raise
        self._make_room(kept)
        return response

    def is_kept(self, url: str, accept: str) -> bool:
        """Whether `get` would answer at once with what is kept."""
        with self._lock:
            kept = self._kept.get((url, accept))
        return kept is not None and kept.response is not None and self._clock() < kept.good_until

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def _entry(self, url: str, accept: str) -> _Kept:
        key = (url, accept)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = _Kept()
                if len(self._kept) > self._size:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
            return kept

    def _make_room(self, newest: _Kept) -> None:
        """Forget the least used answers until all together are small enough."""
        with self._lock:
            size = sum(len(kept.response.body) for kept in self._kept.values() if kept.response is not None)
            for key, kept in list(self._kept.items()):
                if size <= self._most_bytes:
                    return
                if kept is not newest and kept.response is not None:
                    size -= len(kept.response.body)
                    del self._kept[key]

    def _fetch(
        self,
        kept: _Kept,
        accept: str,
        max_age_default: float,
        max_age_cap: float,
        fetch: Callable[[Mapping[str, str]], "Response"],
    ) -> "Response":
        headers = {"Accept": accept}
        if kept.response is not None and "etag" in kept.response.headers:
            headers["If-None-Match"] = kept.response.headers["etag"]
        asked_at = self._clock()
        response = fetch(headers)
        if response.status == 304 and kept.response is not None:
            lifetime = seconds_good(response.headers, max_age_default, max_age_cap)
            kept.asked_at, kept.good_until = asked_at, asked_at + lifetime
            return kept.response
        if response.status == 200:
            lifetime = seconds_good(response.headers, max_age_default, max_age_cap)
            kept.response, kept.asked_at, kept.good_until = response, asked_at, asked_at + lifetime
        return response


def _bare(error: Exception) -> Exception:
    """The same error without its traceback and cause: their frames hold what was read so far."""
    bare = type(error).__new__(type(error), *error.args)
    bare.__dict__.update(error.__dict__)
    return bare


def seconds_good(headers: Mapping[str, str], default: float, cap: float) -> float:
    """How long an answer may be used: what Cache-Control says, at most `cap`; `default` where it says nothing."""
    control = headers.get("cache-control", "")
    if _DO_NOT_KEEP.search(control):
        return 0.0
    found = _MAX_AGE.search(control)
    seconds = float(found.group(1)) if found else default
    age = headers.get("age", "")
    if found and age.isdigit():
        seconds -= float(age)
    return max(0.0, min(seconds, cap))


@lru_cache(maxsize=1)
def default_cache() -> Cache:
    return Cache()
