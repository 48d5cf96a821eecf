"""Real trouble on demand: slow answers, none, a page, half of the fields, another's meter, other keys."""

import threading
import time
from collections.abc import Callable

MODES = ("none", "slow", "down", "html", "half", "wrong-data", "rotated-keys")
DEFAULT_SECONDS = 30.0


class Faults:
    """The fault in force, if any.

    `slow` holds each answer of the API for its seconds, until it is lifted; the other modes end by themselves after
    theirs. Lifting a fault frees the answers it holds.
    """

    def __init__(self, *, when_rotated: Callable[[bool], None] = lambda _: None) -> None:
        self._mode = "none"
        self._seconds = 0.0
        self._until: float | None = None
        self._changed = threading.Condition()
        self._serial = 0
        self._holding = 0
        self._when_rotated = when_rotated

    def set(self, mode: str, seconds: float | None) -> None:
        """Raises ValueError for an unknown mode or an impossible time."""
        if mode not in MODES:
            raise ValueError("mode is one of " + ", ".join(MODES))
        length = DEFAULT_SECONDS if seconds is None else float(seconds)
        if not 0 <= length <= 86_400:
            raise ValueError("seconds is between 0 and 86400")
        with self._changed:
            self._mode, self._seconds = mode, length
            self._until = None if mode in ("none", "slow") else time.monotonic() + length
            self._serial += 1
            self._changed.notify_all()
        self._when_rotated(mode == "rotated-keys")

    def mode(self) -> str:
        with self._changed:
            over = self._until is not None and time.monotonic() >= self._until
            if not over:
                return self._mode
            was, self._mode, self._until = self._mode, "none", None
        if was == "rotated-keys":
            self._when_rotated(False)
        return "none"

    def hold(self) -> None:
        """Wait as long as `slow` says, or until the fault changes."""
        with self._changed:
            if self._mode != "slow":
                return
            serial = self._serial
            self._holding += 1
            try:
                self._changed.wait_for(lambda: self._serial != serial, timeout=self._seconds)
            finally:
                self._holding -= 1

    def holding(self) -> int:
        """How many answers `slow` holds now."""
        with self._changed:
            return self._holding
