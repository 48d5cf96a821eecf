"""Asking an issuer: through the guarded client, within the time one message may take, and not again and again in vain.

An address that has just failed is not asked for a few seconds: one issuer that hangs must not hold every thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from outbound import client

_REMEMBER_FAILURE_SECONDS = 3.0
_REMEMBERED = 500


Waiting = Callable[[], AbstractContextManager[None]]
"""What is held while a thread waits for somebody else; entering it may raise Busy."""


class Busy(Exception):
    """As many threads wait for others as may: nothing was asked. Not a finding about any credential."""


class Unanswered(Exception):
    """No document. `retryable` if another try later may bring it."""

    def __init__(self, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.retryable = retryable


@dataclass
class Deadline:
    """How long the checks of one message may wait for others, in all (seconds), and what is held meanwhile."""

    seconds: float = 12.0
    started: float = field(default_factory=time.monotonic)
    waiting: Waiting = nullcontext

    def left(self) -> float:
        return self.started + self.seconds - time.monotonic()


def fetch(
    url: str, *, accept: str, deadline: Deadline, max_bytes: int, max_age_cap: float = 300.0, fresh: bool = False
) -> bytes:
    """Return the body at an address, from this process's cache while its Cache-Control allows; raise Unanswered.

    `fresh` asks the address even so. `max_age_cap` is the longest it is kept, in seconds.
    """
    response = _ask(url, accept, deadline, max_bytes, max_age_cap, fresh)
    if response.status != 200:
        raise Unanswered(f"it answers {response.status}", retryable=response.status >= 500 or response.status == 429)
    return response.body


def is_there(url: str, *, accept: str, deadline: Deadline, max_bytes: int = 64 * 1024) -> bool:
    """Whether there is a document at an address (200) or none (404, 410); raise Unanswered for anything else."""
    response = _ask(url, accept, deadline, max_bytes, 0.0, False)
    if response.status in (404, 410):
        return False
    if response.status != 200:
        raise Unanswered(f"it answers {response.status}", retryable=response.status >= 500 or response.status == 429)
    return True


def _ask(url: str, accept: str, deadline: Deadline, max_bytes: int, max_age_cap: float, fresh: bool) -> client.Response:
    left = deadline.left()
    if left <= 0:
        raise Unanswered("no time left to ask", retryable=True)
    if _failed_lately(url):
        raise Unanswered("it did not answer a moment ago", retryable=True)
    known = not fresh and client.is_kept(url, accept=accept)
    try:
        with nullcontext() if known else deadline.waiting():
            return client.get_cached(
                url,
                accept=accept,
                max_age_cap=max_age_cap,
                fresh=fresh,
                connect_timeout=min(client.CONNECT_TIMEOUT, left),
                read_timeout=min(client.READ_TIMEOUT, left),
                max_bytes=max_bytes,
            )
    except client.Unreachable as error:
        _remember_failure(url)
        raise Unanswered("it cannot be reached", retryable=True) from error
    except client.OutboundError as error:
        raise Unanswered("it may not be asked or answers too much", retryable=False) from error


_failures: OrderedDict[str, float] = OrderedDict()
_lock = threading.Lock()


def _failed_lately(url: str) -> bool:
    with _lock:
        failed_at = _failures.get(url)
    return failed_at is not None and time.monotonic() - failed_at < _REMEMBER_FAILURE_SECONDS


def _remember_failure(url: str) -> None:
    with _lock:
        _failures[url] = time.monotonic()
        _failures.move_to_end(url)
        if len(_failures) > _REMEMBERED:
            _failures.popitem(last=False)
