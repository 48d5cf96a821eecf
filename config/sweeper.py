"""Who wakes the worker: every second each worker looks for due rows itself; the broker only makes it sooner.

Source: decision 29. The beat's jobs are watched over too: where none has rung for a while (no beat, no broker),
the sweeper calls them itself. They are idempotent, so that two workers doing so at once does no harm.
"""

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from audit import clock
from beckn import workers

log = logging.getLogger(__name__)
Sweep = Callable[[datetime], int]


class Sweeper(threading.Thread):
    """Calls every room's `sweep(now)`, one after the other, with a pause between two rounds."""

    def __init__(
        self,
        sweeps: Sequence[str],
        beat: Sequence[str],
        *,
        pause: float,
        beat_pause: float,
        queues: Collection[str] | None = None,
    ) -> None:
        super().__init__(name="sweeper", daemon=True)
        self.queues = sorted(queues or ())
        self.sweeps: dict[str, Sweep] = {name: function for name in sweeps if (function := find(name))}
        self.beat = [function for name in beat if (function := find(name))]
        self.pause = pause
        self.beat_pause = beat_pause
        # Without a beat beside us we are the beat; with one, only after it has been silent for a while.
        self.patience = beat_pause if settings.CELERY_BROKER_URL.startswith("memory:") else 3 * beat_pause
        self._done = threading.Event()
        self._last_beat = time.monotonic()
        self._who = f"{platform.node() or 'here'}:{os.getpid()}"
        self._started_at = clock.now()
        self._rounds = 0
        self._last_sign = -workers.EVERY_SECONDS

    def run(self) -> None:
        while not self._done.wait(self.pause):
            self.round()

    def round(self) -> int:
        """Look once everywhere; return how many rows were found due. One room's trouble does not stop the others."""
        began = time.monotonic()
        found = sum(self._call(name, sweep, clock.now()) for name, sweep in self.sweeps.items())
        self._rounds += 1
        if began - self._last_sign >= workers.EVERY_SECONDS:
            self._last_sign = began
            self._call("sign of life", self._say_alive, round((time.monotonic() - began) * 1000))
        if time.monotonic() - self._last_beat >= self.patience:
            self.heard_beat()
            for job in self.beat:
                self._call(str(getattr(job, "name", job)), job)
        close_old_connections()
        return found

    def heard_beat(self) -> None:
        """Tell the sweeper that the beat lives."""
        self._last_beat = time.monotonic()

    def stop(self) -> None:
        """End after the round in progress, at most a few seconds later."""
        self._done.set()
        if self.is_alive():
            self.join(5)
        self._call("sign of life", workers.gone, self._who)
        connections.close_all()

    def _say_alive(self, round_ms: int) -> None:
        queues, started_at = self.queues, self._started_at
        workers.beat(self._who, queues, started_at=started_at, rounds=self._rounds, round_ms=round_ms, now=clock.now())

    def _call(self, name: str, function: Callable[..., Any], *arguments: Any) -> int:
        try:
            return int(function(*arguments) or 0)
        except (OperationalError, InterfaceError) as problem:
            log.warning("the sweep could not reach the database", extra={"sweep": name, "kind": type(problem).__name__})
            connections.close_all()
        except Exception:  # the next second tries again; a sweeper that died would be noticed by nobody
            log.exception("a sweep failed", extra={"sweep": name})
        return 0


def find(name: str) -> Callable[..., Any] | None:
    """Import a function by its dotted name; a room that has no such module has nothing to sweep."""
    module, _, function = name.rpartition(".")
    return getattr(import_module(module), function, None) if find_spec(module) else None


def make(queues: Collection[str] | None = None) -> Sweeper:
    """Make the sweeper of a process that consumes these queues (None: all); the caller starts and stops it.

    A worker that consumes only queues with sweeps of their own (`SWEEPS_OF_QUEUES`) does nothing else, also no beat's
    job: what it does would keep a person's enrolment waiting.
    """
    apart = settings.SWEEPS_OF_QUEUES
    wanted = [name for queue, names in apart.items() if queues is None or queue in queues for name in names]
    is_apart = queues is not None and set(queues) <= set(apart)
    sweeps, beat = ([], []) if is_apart else (settings.SWEEPS, settings.BEAT)
    pauses = {"pause": settings.SWEEP_SECONDS, "beat_pause": settings.BEAT_SECONDS}
    return Sweeper([*sweeps, *wanted], beat, queues=queues, **pauses)
