"""Which version of a status list is served now: asked of the database ten times a second, not ten thousand times.

A process keeps what it has read for `KEPT_SECONDS`; of many requests that find it over, one asks and the others wait
for it. Whoever publishes waits as long before it says that a change is visible (`publishing.ensure_published`).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from credentials.models import StatusListVersion

KEPT_SECONDS = 0.1
_MOST = 256  # lists and forms; a body has a few kilobytes, at most 45


@dataclass(frozen=True)
class Name:
    """What is asked for: a numbered list of a kind, what it tells (`Publication`), and whether as JSON."""

    kind: str
    number: int
    publication: str
    as_json: bool


@dataclass(frozen=True)
class Served:
    """A published list. `digest` is SHA-256 (hex) of the body."""

    body: bytes
    digest: str


_kept: OrderedDict[Name, tuple[Served, float]] = OrderedDict()
_lock = threading.Lock()
_asking = [threading.Lock() for _ in range(64)]


def find(name: Name) -> Served | None:
    """Return what is served now, None before the first publication. No query where it was asked for a moment ago."""
    if kept := _fresh(name):
        return kept
    with _asking[hash(name) % len(_asking)]:
        return _fresh(name) or _ask(name)


def forget() -> None:
    """Ask again at the next request: this process has just published, or a test has taken its rows back."""
    with _lock:
        _kept.clear()


def _fresh(name: Name) -> Served | None:
    with _lock:
        kept = _kept.get(name)
    return kept[0] if kept and time.monotonic() - kept[1] < KEPT_SECONDS else None


def _ask(name: Name) -> Served | None:
    # From before the question: what is published while it is on its way may not be in the answer.
    asked_at = time.monotonic()
    body, digest = ("json_body", "json_digest") if name.as_json else ("body", "digest")
    versions = StatusListVersion.objects.filter(
        status_list__kind=name.kind, status_list__number=name.number, purpose=name.publication
    )
    newest = versions.exclude(**{digest: ""}).order_by("-version").values_list("pk", digest).first()
    if newest is None:
        return None
    pk, found = newest
    with _lock:
        kept = _kept.get(name)
    if kept and kept[0].digest == found:
        served = kept[0]
    else:
        served = Served(StatusListVersion.objects.values_list(body, flat=True).get(pk=pk).encode(), found)
    with _lock:
        _kept[name] = (served, asked_at)
        _kept.move_to_end(name)
        if len(_kept) > _MOST:
            _kept.popitem(last=False)
    return served
