"""A circuit per system and process: after repeated silence, stop asking for a while instead of letting all wait."""

import threading
import time
from collections.abc import Callable


class Circuit:
    """Closed until `limit` failures in a row; then open for `pause_seconds`, after which one caller may try.

    `clock` is monotonic seconds; `changed(is_open)` is called outside of any lock when it opens and when it closes.
    """

    def __init__(
        self,
        *,
        limit: int = 5,
        pause_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._pause = pause_seconds
        self._clock = clock
        self._changed = changed
        self._failures = 0
        self._opened_at = 0.0
        self._lock = threading.Lock()

    def seconds_to_wait(self) -> float:
        """0 when the caller may ask; otherwise how long the pause still lasts."""
        with self._lock:
            if self._failures < self._limit:
                return 0.0
            left = self._opened_at + self._pause - self._clock()
            if left > 0:
                return left
            self._opened_at = self._clock()  # this caller tries; the others wait for its result
            return 0.0

    def succeeded(self) -> None:
        with self._lock:
            was_open, self._failures = self._failures >= self._limit, 0
        if was_open:
            self._changed(False)

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            opens = self._failures == self._limit
            if self._failures >= self._limit:
                self._opened_at = self._clock()
        if opens:
            self._changed(True)
